namespace AiOs.Runtime.Tests;

/// <summary>A program with a race, and the same program without it.</summary>
/// <param name="Name">What is wrong.</param>
/// <param name="Kind">How it is reported.</param>
/// <param name="First">The earlier of the two operations; null when the report has none.</param>
/// <param name="Second">The later one.</param>
/// <param name="Run">The program; the flag says whether it is the correct one.</param>
public sealed record PlantedRace(string Name, RaceKind Kind, string? First, string Second, Action<RaceLab, bool> Run)
{
    private const int N = 1024;

    /// <summary>The list.</summary>
    public static IReadOnlyList<PlantedRace> All { get; } =
    [
        new("missing wait", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            lab.Order(lab.A, lab.B, correct);
            lab.Cast(lab.B, lab.Y, lab.X);
        }),
        new("write after write", RaceKind.Unordered, "fill", "aios_fill", (lab, correct) =>
        {
            lab.X.Span.Fill(0, lab.A);
            lab.Order(lab.A, lab.B, correct);
            lab.Fill(lab.B, lab.X);
        }),
        new("write after read on another stream", RaceKind.Unordered, "copy", "fill", (lab, correct) =>
        {
            lab.X.Span.CopyTo(lab.Y.Span, lab.A);
            lab.Order(lab.A, lab.B, correct);
            lab.X.Span.Fill(1, lab.B);
        }),
        new("host reads the result early", RaceKind.HostTooEarly, "copy", "host", (lab, correct) =>
        {
            lab.A.Copy(lab.Pinned.Pointer, lab.X.Pointer, lab.Pinned.Bytes);
            RaceLab.Wait(lab.A, correct);
            Assert.Equal(N, lab.Pinned.ReadOnlySpan.Length);
        }),
        new("host writes pinned memory during a copy", RaceKind.HostTooEarly, "copy", "host", (lab, correct) =>
        {
            lab.X.CopyFrom(lab.Pinned, lab.A);
            RaceLab.Wait(lab.A, correct);
            lab.Pinned.GetSpan().Clear();
        }),
        new("host reads what an asynchronous copy still writes", RaceKind.HostTooEarly, "copy", "host", (lab, correct) =>
        {
            using var go = new ManualResetEventSlim(correct);
            lab.A.Enqueue(() => go.Wait());
            Task copy = lab.X.CopyToAsync(lab.Pinned.Memory, lab.A).AsTask();
            try
            {
                if (correct)
                {
                    copy.Wait();
                }

                Assert.Equal(N, lab.Pinned.ReadOnlySpan.Length);
            }
            finally
            {
                go.Set();
                copy.Wait();
            }
        }),
        new("host function reads what another stream overwrites", RaceKind.Unordered, "host", "copy", (lab, correct) =>
        {
            lab.A.Enqueue(() => _ = lab.Pinned.ReadOnlySpan[0]);
            lab.Order(lab.A, lab.B, correct);
            lab.WaitUntilIdle(lab.A);
            lab.B.Copy(lab.Pinned.Pointer, lab.X.Pointer, lab.Pinned.Bytes);
        }),
        new("copy to another device before its source is written", RaceKind.Unordered, "aios_fill", "copy", (lab, correct) =>
        {
            using Device other = Device.Open(options: new DeviceOptions { DetectRaces = true });
            using Stream there = other.CreateStream();
            using DeviceMemory<float> target = other.Allocate<float>(N, there);
            lab.Fill(lab.A, lab.X);
            lab.Order(lab.A, lab.B, correct);
            lab.X.Span.CopyTo(target.Span, lab.B);
            lab.Device.Synchronize();
        }),
        new("copy to another device into memory in use there", RaceKind.Unordered, "fill", "copy", (lab, correct) =>
        {
            using Device other = Device.Open(options: new DeviceOptions { DetectRaces = true });
            using Stream there = other.CreateStream(), user = other.CreateStream();
            using DeviceMemory<float> target = other.Allocate<float>(N, there);
            user.Fill(target.On(user), 0, target.Bytes);
            using Event filled = other.CreateEvent();
            user.Record(filled);
            if (correct)
            {
                there.WaitFor(filled);
            }

            lab.X.Span.CopyTo(target.Span, lab.B);
            lab.Device.Synchronize();
        }),
        new("double buffering without a wait", RaceKind.HostTooEarly, "copy", "host", (lab, correct) =>
        {
            using PinnedMemory<float> other = lab.Device.AllocatePinned<float>(N);
            using Event first = lab.Device.CreateEvent(), second = lab.Device.CreateEvent();
            for (int i = 0; i < 4; i++)
            {
                (PinnedMemory<float> buffer, Event free) = i % 2 == 0 ? (lab.Pinned, first) : (other, second);
                if (correct || i < 2)
                {
                    free.Synchronize();
                }

                buffer.Memory.Span.Fill(i);
                lab.X.CopyFrom(buffer, lab.A);
                lab.A.Record(free);
            }

            lab.A.Synchronize();
        }),
        new("pinned memory freed during a copy", RaceKind.FreedTooEarly, "copy", "free", (lab, correct) =>
        {
            using PinnedMemory<float> buffer = lab.Device.AllocatePinned<float>(N);
            lab.X.CopyFrom(buffer, lab.A);
            RaceLab.Wait(lab.A, correct);
        }),
        new("event recorded too early", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            RaceLab.Record(lab.A, lab.Event, !correct);
            lab.Fill(lab.A, lab.X);
            RaceLab.Record(lab.A, lab.Event, correct);
            lab.B.WaitFor(lab.Event);
            lab.Cast(lab.B, lab.Y, lab.X);
        }),
        new("wait for an event that was never recorded", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            using Event wrong = lab.Device.CreateEvent();
            lab.Fill(lab.A, lab.X);
            lab.A.Record(lab.Event);
            lab.B.WaitFor(correct ? lab.Event : wrong);
            lab.Cast(lab.B, lab.Y, lab.X);
        }),
        new("wait for an event that was recorded again elsewhere", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            lab.A.Record(lab.Event);
            if (!correct)
            {
                lab.C.Record(lab.Event);
            }

            lab.B.WaitFor(lab.Event);
            lab.Cast(lab.B, lab.Y, lab.X);
        }),
        new("a chain of waits with a gap", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            using Event late = lab.Device.CreateEvent();
            if (!correct)
            {
                lab.B.Record(late);
            }

            lab.Order(lab.A, lab.B, true);
            if (correct)
            {
                lab.B.Record(late);
            }

            lab.C.WaitFor(late);
            lab.Cast(lab.C, lab.Y, lab.X);
        }),
        new("one stream waits and another goes on", RaceKind.Unordered, "aios_cast", "aios_fill", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            lab.Order(lab.A, lab.B, true);
            lab.Order(lab.A, lab.C, true);
            lab.Cast(lab.B, lab.Y, lab.X);
            lab.Order(lab.B, lab.C, correct);
            lab.Fill(lab.C, lab.X);
        }),
        new("ranges that overlap by one element", RaceKind.Unordered, "fill", "fill", (lab, correct) =>
        {
            lab.X.Span.Slice(0, N / 2).Fill(1, lab.A);
            lab.X.Span.Slice((N / 2) - (correct ? 0 : 1), N / 2).Fill(2, lab.B);
        }),
        new("columns of one matrix that overlap", RaceKind.Unordered, "aios_unary", "aios_unary", (lab, correct) =>
        {
            lab.Columns(lab.A, lab.X, first: 0, count: 16);
            lab.Columns(lab.B, lab.X, first: correct ? 16 : 15, count: 16);
        }),
        new("a workspace shared by two streams", RaceKind.Unordered, "aios_reduce", "aios_reduce", (lab, correct) =>
        {
            using DeviceMemory<byte> one = lab.Workspace(lab.A), other = lab.Workspace(lab.B);
            lab.Reduce(lab.A, lab.Y, lab.X, one);
            lab.Reduce(lab.B, lab.Z, lab.X, correct ? other : one);
            lab.Device.Synchronize();
        }),
        new("optimizer step before the gradients of another stream", RaceKind.Unordered, "aios_fill", "aios_sgd", (lab, correct) =>
        {
            lab.Table(lab.A, lab.X, lab.Y);
            lab.Fill(lab.B, lab.Y);
            lab.Order(lab.B, lab.A, correct);
            lab.Sgd(lab.A);
        }),
        new("parameters read during an optimizer step", RaceKind.Unordered, "aios_sgd", "aios_cast", (lab, correct) =>
        {
            lab.Table(lab.A, lab.X, lab.Y);
            lab.Sgd(lab.A);
            lab.Order(lab.A, lab.B, correct);
            lab.Cast(lab.B, lab.Z, lab.X);
        }),
        new("table in device memory overwritten", RaceKind.Unordered, "aios_sgd", "fill", (lab, correct) =>
        {
            lab.Table(lab.A, lab.X, lab.Y);
            lab.Sgd(lab.A);
            lab.Order(lab.A, lab.B, correct);
            lab.Rows.Span.Fill(0, lab.B);
        }),
        new("all_reduce in place overlapped by backward", RaceKind.Unordered, "all_reduce", "aios_fill", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            lab.Order(lab.A, lab.B, true);
            lab.B.Declare("all_reduce", Access.Write(lab.X));
            lab.Order(lab.B, lab.A, correct);
            lab.Fill(lab.A, lab.X);
        }),
        new("collective reads what backward still writes", RaceKind.Unordered, "aios_fill", "all_gather", (lab, correct) =>
        {
            lab.Fill(lab.A, lab.X);
            lab.Order(lab.A, lab.B, correct);
            lab.B.Declare("all_gather", Access.Read(lab.X.Span.Slice(8, 8)), Access.Write(lab.Y));
        }),
        new("freed while another stream still uses it", RaceKind.FreedTooEarly, "all_reduce", "free", (lab, correct) =>
        {
            using DeviceMemory<float> memory = lab.Device.Allocate<float>(N, lab.A);
            lab.B.Declare("all_reduce", Access.Write(memory.Pointer, memory.Bytes));
            lab.Order(lab.B, lab.A, correct);
        }),
        new("used on another stream after the free", RaceKind.AfterFree, "free", "aios_fill", (lab, correct) =>
        {
            nint address;
            using (DeviceMemory<float> memory = lab.Device.Allocate<float>(N, lab.A))
            {
                address = memory.Pointer;
                if (correct)
                {
                    lab.Fill(lab.B, address);
                    lab.Order(lab.B, lab.A, true);
                }
            }

            if (!correct)
            {
                lab.Fill(lab.B, address);
            }
        }),
        new("a graph launched against work of another stream", RaceKind.Unordered, "graph", "aios_cast", (lab, correct) =>
        {
            using Graph graph = Graph.Capture(lab.A, stream => lab.Fill(stream, lab.X));
            graph.Launch(lab.A);
            lab.Order(lab.A, lab.B, correct);
            lab.Cast(lab.B, lab.Y, lab.X);
            lab.Device.Synchronize();
        }),
        new("a graph launched before its input is ready", RaceKind.Unordered, "copy", "graph", (lab, correct) =>
        {
            using Graph graph = Graph.Capture(lab.A, stream => lab.Cast(stream, lab.Y, lab.X));
            lab.X.CopyFrom(lab.Pinned, lab.B);
            lab.Order(lab.B, lab.A, correct);
            graph.Launch(lab.A);
            lab.Device.Synchronize();
        }),
        new("a graph launched after its input was freed", RaceKind.AfterFree, "free", "graph", (lab, correct) =>
        {
            using DeviceMemory<float> input = lab.Device.Allocate<float>(N, lab.A);
            using Graph graph = Graph.Capture(lab.A, stream => lab.Cast(stream, lab.Y, input));
            if (!correct)
            {
                input.Dispose();
            }

            graph.Launch(lab.A);
            lab.A.Synchronize();
        }),
        new("a graph launched after its input was given to another", RaceKind.AfterFree, "allocation", "graph", (lab, correct) =>
        {
            using DeviceMemory<float> input = lab.Device.Allocate<float>(N, lab.A);
            nint place = input.Pointer;
            using Graph graph = Graph.Capture(lab.A, stream => lab.Cast(stream, lab.Y, input));
            if (!correct)
            {
                input.Dispose();
            }

            using DeviceMemory<float> next = lab.Device.Allocate<float>(N, lab.A);
            Assert.Equal(correct, next.Pointer != place);
            graph.Launch(lab.A);
            lab.A.Synchronize();
        }),
        new("memory of a graph used after the graph", RaceKind.AfterFree, "graph disposal", "aios_cast", (lab, correct) =>
        {
            DeviceMemory<float>? own = null;
            Graph graph = Graph.Capture(lab.A, stream =>
            {
                own = lab.Device.Allocate<float>(N, stream);
                lab.Fill(stream, own);
            });
            graph.Launch(lab.A);
            if (correct)
            {
                lab.Cast(lab.A, lab.Y, own!);
            }

            graph.Dispose();
            if (!correct)
            {
                lab.Cast(lab.A, lab.Y, own!);
            }

            own!.Dispose();
        }),
        new("memory of a graph freed after it under another stream", RaceKind.FreedTooEarly, "aios_cast", "free", (lab, correct) =>
        {
            DeviceMemory<float>? own = null;
            Graph graph = Graph.Capture(lab.A, stream =>
            {
                own = lab.Device.Allocate<float>(N, stream);
                lab.Fill(stream, own);
            });
            graph.Launch(lab.A);
            lab.Order(lab.A, lab.B, true);
            lab.Cast(lab.B, lab.Y, own!);
            if (correct)
            {
                lab.B.Synchronize();
            }

            graph.Dispose();
            own!.Dispose();
        }),
        new("branches of a graph that nothing orders", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            using Event begun = lab.Device.CreateEvent(), filled = lab.Device.CreateEvent(), read = lab.Device.CreateEvent();
            using Graph graph = Graph.Capture(lab.A, stream =>
            {
                stream.Record(begun);
                lab.Fill(stream, lab.X);
                stream.Record(filled);
                lab.B.WaitFor(correct ? filled : begun);
                lab.Cast(lab.B, lab.Y, lab.X);
                lab.B.Record(read);
                stream.WaitFor(read);
            });
            graph.Launch(lab.A);
            lab.A.Synchronize();
        }),
        new("a stream that waited in a capture only", RaceKind.Unordered, "aios_fill", "aios_cast", (lab, correct) =>
        {
            using Event begun = lab.Device.CreateEvent(), joined = lab.Device.CreateEvent();
            lab.Fill(lab.A, lab.X);
            using Graph graph = Graph.Capture(lab.A, stream =>
            {
                stream.Record(begun);
                lab.B.WaitFor(begun);
                lab.Fill(lab.B, lab.Y);
                lab.B.Record(joined);
                stream.WaitFor(joined);
            });
            lab.Order(lab.A, lab.B, correct);
            lab.Cast(lab.B, lab.Z, lab.X);
        }),
        new("a launch beyond the end of its block", RaceKind.OutOfBounds, null, "aios_fill", (lab, correct) =>
            lab.Fill(lab.A, lab.X.Pointer, N + (correct ? 0 : 1))),
        new("a launch on memory that is nobody's", RaceKind.OutOfBounds, null, "aios_fill", (lab, correct) =>
            lab.Fill(lab.A, correct ? lab.X.Pointer : 64)),
    ];

    /// <inheritdoc/>
    public override string ToString() => Name;
}
