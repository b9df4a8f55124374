using System.Diagnostics;
using System.Globalization;
using AiOs.Runtime;
using AiOs.Soak;

// Random work on 8 streams of 2 threads: every value is checked, memory must stay flat, and no byte may be left at the end.
//   dotnet run -c Release --project bench/AiOs.Soak -- [SECONDS] [SEED]
const int Threads = 2;
const int StreamsPerThread = 4;
const int Samples = 30;

if (args.Length > 2 || !Number(0, 20, out int seconds) || !Number(1, 1, out int seed) || seconds < 1)
{
    Console.Error.WriteLine("usage: AiOs.Soak [SECONDS] [SEED]; both are whole numbers, SECONDS is 1 or more");
    return 2;
}

using Device device = Device.Open();
var watch = new MemoryWatch(device);
var clock = Stopwatch.StartNew();
Exception? failure = null;
long operations = 0;
Thread[] threads = [.. Enumerable.Range(0, Threads).Select(index => new Thread(() => Work((seed * Threads) + index)))];
Array.ForEach(threads, thread => thread.Start());
for (int i = 1; i <= Samples && failure is null; i++)
{
    TimeSpan next = TimeSpan.FromSeconds((double)seconds * i / Samples);
    while (clock.Elapsed < next && failure is null)
    {
        Thread.Sleep(TimeSpan.FromSeconds(Math.Clamp((next - clock.Elapsed).TotalSeconds, 0.01, 0.5)));
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds,6:0} s  {Interlocked.Read(ref operations),12:N0} operations  {watch.Sample()}"));
}

Array.ForEach(threads, thread => thread.Join());
while (ThreadPool.PendingWorkItemCount > 0)
{
    Thread.Sleep(10); // The last exports are given back there.
}

LeakReport leaks = device.Memory.Leaks();
device.Memory.Trim();
AllocatorStatistics end = device.Memory.Statistics;
string? problem = failure?.ToString()
    ?? (leaks.Blocks.Count > 0 ? $"{leaks.Blocks.Count} blocks with {leaks.Blocks.Sum(block => block.Bytes)} bytes were left" : null)
    ?? (end.ReservedBytes > 0 ? $"{end.ReservedBytes} bytes are still reserved" : null)
    ?? watch.Growth();
Console.WriteLine(problem ?? string.Create(
    CultureInfo.InvariantCulture, $"{operations:N0} operations, {end.Allocations:N0} blocks given out on {Threads * StreamsPerThread} streams, none left; memory was flat"));
return problem is null ? 0 : 1;

void Work(int workerSeed)
{
    try
    {
        using var worker = new Worker(device, StreamsPerThread, workerSeed);
        long reported = 0;
        while (clock.Elapsed.TotalSeconds < seconds && Volatile.Read(ref failure) is null)
        {
            worker.Step();
            if (worker.Operations - reported >= 256)
            {
                Interlocked.Add(ref operations, worker.Operations - reported);
                reported = worker.Operations;
            }
        }
    }
#pragma warning disable CA1031 // Whatever a worker meets ends the run and is what it says.
    catch (Exception exception)
#pragma warning restore CA1031
    {
        Interlocked.CompareExchange(ref failure, exception, null);
    }
}

bool Number(int index, int otherwise, out int value)
{
    value = otherwise;
    return index >= args.Length || int.TryParse(args[index], NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
