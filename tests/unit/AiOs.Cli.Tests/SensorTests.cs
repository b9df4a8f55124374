using System.Text.Json;

namespace AiOs.Cli.Tests;

/// <summary>What <c>aios doctor</c> and <c>aios devices</c> print of sensors, which the simulator has where its environment gives some.</summary>
public sealed class SensorTests
{
    private static readonly string Here = Path.GetTempPath();

    [Fact]
    public void Without_sensors_there_is_no_line_and_only_what_is_known()
    {
        Assert.DoesNotContain("sensors", Doctor(""), StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(Run("", "devices", "--json"));
        Assert.False(Device(document, "cpu").TryGetProperty("sensors", out _));
        Assert.Equal(
            ["memory_used_bytes", "memory_total_bytes", "own_memory_bytes", "other_processes", "pci_bus_id", "driver_version", "nvml_version"],
            Device(document, "cuda-sim").GetProperty("sensors").EnumerateObject().Select(property => property.Name));
    }

    [Fact]
    public void A_quiet_device_is_one_line()
    {
        string output = Doctor("temperature=41,power=112.4,power-limit=700,sm-clock=1980,sm-clock-max=1980,slowdown=idle,ecc-errors=0,other-processes=0");
        Assert.Equal(1, Lines(output, "sensors"));
        Assert.Contains("          sensors          41 °C, 112 of 700 W, SM clock 1980 of 1980 MHz\n", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("temperature=83,slowdown=thermal+power", "          sensors          83 °C\n", "the clocks are held back: power cap, heat (driver)\n")]
    [InlineData("sm-clock=300,other-processes=1", "          sensors          SM clock 300 MHz\n", "another process computes on it\n")]
    [InlineData("power=80,other-processes=12", "          sensors          80 W\n", "12 other processes compute on it\n")]
    [InlineData("temperature=30,other-memory=3221225472", "          sensors          30 °C\n", "3.0 GiB of its 4.0 GiB are in use by others\n")]
    [InlineData("temperature=30,ecc-errors=2", "          sensors          30 °C\n", "2 uncorrected errors of its memory (ECC)\n")]
    public void What_matters_is_a_note_with_something_to_do(string sensors, string line, string note)
    {
        string output = Doctor(sensors);
        Assert.Contains(line, output, StringComparison.Ordinal);
        Assert.Contains("  note    sensors          " + note, output, StringComparison.Ordinal);
        Assert.Equal(2, Lines(output, "sensors"));
        Assert.Contains("to do  ", output[output.IndexOf(note, StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.All(output.Split('\n').Where(text => !text.Contains('/', StringComparison.Ordinal)), text => Assert.InRange(text.Length, 0, 80));
    }

    [Fact]
    public void Devices_have_their_sensors_as_an_object()
    {
        using JsonDocument document = JsonDocument.Parse(Run("power=650.5,sm-clock=1200,memory-clock=2619,slowdown=thermal+hardware,utilization=97", "devices", "--json"));
        JsonElement sensors = Device(document, "cuda-sim").GetProperty("sensors");
        Assert.Equal(650.5, sensors.GetProperty("power_watts").GetDouble());
        Assert.Equal((1200, 2619), (sensors.GetProperty("sm_clock_mhz").GetInt32(), sensors.GetProperty("memory_clock_mhz").GetInt32()));
        Assert.Equal((97, 0), (sensors.GetProperty("sm_utilization_percent").GetInt32(), sensors.GetProperty("memory_utilization_percent").GetInt32()));
        Assert.Equal(["hardware_slowdown", "software_thermal"], sensors.GetProperty("clock_limits").EnumerateArray().Select(limit => limit.GetString()));
        Assert.Equal("0000:01:00.0", sensors.GetProperty("pci_bus_id").GetString());
        Assert.False(sensors.TryGetProperty("temperature_celsius", out _));
    }

    [Fact]
    public void A_sensor_that_is_none_is_named()
    {
        using CliProcess process = Start("temperature=warm", ["doctor", "--json"]);
        CliResult result = process.Wait();
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("""AIOS_CUDASIM_SENSORS has \"temperature=warm\"; give it a comma list""", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_libraries_of_a_device_are_listed_with_their_versions()
    {
        string output = Doctor("");
        Assert.Contains("  ok      NVML             12.4 (simulated)\n", output, StringComparison.Ordinal);
        Assert.Contains("  ok      NVRTC            12.4\n", output, StringComparison.Ordinal);
        Assert.Contains("  ok      CUPTI            API ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("nvJitLink", output, StringComparison.Ordinal);
    }

    /// <summary>What is said of the simulator.</summary>
    private static string Doctor(string sensors)
    {
        string output = Run(sensors, "doctor");
        int start = output.IndexOf("Backend cuda-sim\n", StringComparison.Ordinal);
        return output[start..(output.IndexOf("\n\n", start, StringComparison.Ordinal) + 1)];
    }

    private static string Run(string sensors, params IReadOnlyList<string> arguments)
    {
        using CliProcess process = Start(sensors, arguments);
        return process.Wait().Succeeded().Output;
    }

    private static CliProcess Start(string sensors, IReadOnlyList<string> arguments) => CliProcess.Start(Here, new Dictionary<string, string>
    {
        ["AIOS_CUDASIM_SENSORS"] = sensors,
        ["AIOS_CUDASIM_DEVICES"] = "1",
        ["AIOS_CUDASIM_MEMORY"] = "4294967296",
    }, arguments);

    private static JsonElement Device(JsonDocument document, string backend) => document.RootElement.GetProperty("backends").EnumerateArray()
        .Single(found => found.GetProperty("name").GetString() == backend).GetProperty("devices")[0];

    private static int Lines(string output, string name) => output.Split('\n').Count(line => line.Length > 10 && line[10..].StartsWith(name, StringComparison.Ordinal));
}
