using System.CommandLine;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiOs.Cli.Options;
using AiOs.Runtime;
using Spectre.Console;

namespace AiOs.Cli.Commands;

/// <summary>What <c>aios devices --json</c> prints.</summary>
internal sealed record DevicesDocument(IReadOnlyList<BackendDocument> Backends);

/// <summary>One backend; problem and fix are null when it is available.</summary>
internal sealed record BackendDocument(string Name, bool Available, IReadOnlyList<DeviceDocument> Devices, string? Problem, string? Fix);

/// <summary>One device. Of its sensors only what is known is printed.</summary>
internal sealed record DeviceDocument(
    string Name, string Isa, int Threads, int Cores, long MemoryBytes, long L1Bytes, long L2Bytes, long L3Bytes, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] JsonObject? Sensors);

/// <summary><c>aios devices</c>: the backends and their devices.</summary>
internal static class DevicesCommand
{
    public static Command Create()
    {
        Option<bool> json = CommonOptions.Json();
        Command command = new("devices", "Lists the backends and the devices they found.") { json };
        command.SetAction(result => Run(result.GetValue(json)));
        return command;
    }

    private static int Run(bool json)
    {
        DevicesDocument document = new([.. Backends.Probe().Select(Describe)]);
        if (json)
        {
            JsonOutput.Write(Console.Out, document);
        }
        else
        {
            Print(Terminal.ForPeople(json: false), document);
        }

        return ExitCodes.Ok;
    }

    private static BackendDocument Describe(BackendProbe probe) => new(
        probe.Name, probe.Available,
        [.. probe.Devices.Select((d, i) => new DeviceDocument(
            d.Name, d.Isa, d.Threads, d.Cores, d.MemoryBytes, d.L1Bytes, d.L2Bytes, d.L3Bytes,
            SensorOutput.Document(Backends.ReadSensors(Units.Device(probe.Name, i)))))],
        probe.Problem, probe.Fix);

    private static void Print(IAnsiConsole console, DevicesDocument document)
    {
        Table table = new Table().Border(TableBorder.Simple)
            .AddColumn("backend").AddColumn("device").AddColumn("kernels")
            .AddColumn(new TableColumn("workers").RightAligned()).AddColumn(new TableColumn("memory").RightAligned());
        foreach (BackendDocument backend in document.Backends)
        {
            foreach ((int index, DeviceDocument device) in backend.Devices.Index())
            {
                table.AddRow(Markup.Escape(Units.Device(backend.Name, index)), Markup.Escape(device.Name), Markup.Escape(device.Isa),
                    Units.Workers(backend.Name, device.Threads), Units.Bytes(device.MemoryBytes));
            }

            if (!backend.Available)
            {
                table.AddRow(Markup.Escape(backend.Name), "[yellow]not available[/]", string.Empty, string.Empty, string.Empty);
            }
        }

        console.Write(table);
        foreach (BackendDocument backend in document.Backends.Where(b => !b.Available))
        {
            console.MarkupLine($"[yellow]{Markup.Escape(backend.Name)}[/]: {Markup.Escape($"{backend.Problem}; {backend.Fix} ('aios doctor' says more)")}");
        }
    }
}
