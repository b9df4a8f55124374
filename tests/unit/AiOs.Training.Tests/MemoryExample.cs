using AiOs.Runtime;

namespace AiOs.Training.Tests;

/// <summary>The example of docs/memory.md, compiled; ReadmeTests compares the two.</summary>
internal static class MemoryExample
{
    public static void Run()
    {
        using Device device = Device.Open("cpu", new DeviceOptions { MemoryHistory = 100_000 });
        // ...
        MemorySnapshot snapshot = device.Memory.Snapshot();
        foreach (MemoryHolder holder in snapshot.Holders().Take(5))
        {
            Console.WriteLine($"{holder.Bytes} bytes in {holder.Blocks} blocks: {holder.Site}");
        }

        snapshot.WriteHtml("memory.html");
        snapshot.WritePickle("memory.pickle");
    }
}
