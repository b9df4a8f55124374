namespace AiOs.Runtime.Tests;

/// <summary>Runs each of <see cref="FaultScenarios"/> in a process whose simulated device fails in its way.</summary>
public sealed class FaultTests
{
    [Theory]
    [InlineData(nameof(FaultScenarios.Running_out_of_memory_names_the_device_and_leaves_it_usable), "AIOS_CUDASIM_MEMORY", "67108864")]
    [InlineData(nameof(FaultScenarios.One_refused_mapping_is_tried_again), "AIOS_CUDASIM_FAULTS", "oom=6")]
    [InlineData(nameof(FaultScenarios.A_lost_device_fails_everything_and_nothing_hangs), "AIOS_CUDASIM_FAULTS", "lost=2")]
    [InlineData(nameof(FaultScenarios.A_launch_that_fails_names_the_kernel_and_where_it_was_enqueued), "AIOS_CUDASIM_FAULTS", "launch=2")]
    [InlineData(nameof(FaultScenarios.A_device_without_kernels_is_refused_when_it_is_opened), "AIOS_CUDASIM_FAULTS", "arch=70")]
    [InlineData(nameof(FaultScenarios.An_old_driver_is_named_with_the_version_that_is_needed), "AIOS_CUDASIM_FAULTS", "driver=11000")]
    [InlineData(nameof(FaultScenarios.A_machine_without_a_device_says_so), "AIOS_CUDASIM_FAULTS", "init=100")]
    [InlineData(nameof(FaultScenarios.A_value_that_is_none_is_named), "AIOS_CUDASIM_FAULTS", "lost=soon")]
    [InlineData(nameof(FaultScenarios.A_sensor_that_is_none_is_named), "AIOS_CUDASIM_SENSORS", "temperature=8,slowdown=hot")]
    [InlineData(nameof(FaultScenarios.Sensors_are_read_in_their_units), "AIOS_CUDASIM_SENSORS", FaultScenarios.Readings)]
    [InlineData(nameof(FaultScenarios.A_lost_device_says_so_when_it_is_read), "AIOS_CUDASIM_FAULTS", "lost=3")]
    [InlineData(nameof(FaultScenarios.A_library_that_is_missing_is_named), "AIOS_CUDASIM_FAULTS", "")]
    public Task A_device_that_fails_is_told_apart(string scenario, string variable, string value) =>
        TestProcess.Run(typeof(FaultScenarios), scenario, [(variable, value)]);
}
