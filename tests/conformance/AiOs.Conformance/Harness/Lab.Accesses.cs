using AiOs.Interop;

namespace AiOs.Conformance.Harness;

/// <summary>Holds launchers to what the header says they access.</summary>
public sealed unsafe partial class Lab
{
    /// <summary>Notes what launches access.</summary>
    private sealed class Recorder(KernelTable kernels) : AccessObserver
    {
        public List<RangeAccess> Accesses { get; } = [];

        public override KernelTable Kernels { get; } = kernels;

        public override bool Admit(aios_stream stream, AccessList accesses)
        {
            Accesses.AddRange(accesses.Accesses);
            return true;
        }

        public override aios_status Close(AccessList accesses, aios_status status) => status;

        public override long ReadableRows(aios_stream stream, void* rows, long count, long size) => count;
    }

    /// <summary>
    /// Runs a case twice. No byte may change that is not among the declared writes; and when every byte that is not
    /// declared is another in the second run, what is written must be the same.
    /// </summary>
    /// <param name="test">A case that succeeds.</param>
    /// <param name="edit">Changes what was declared, to see whether that is noticed; null for none.</param>
    /// <returns>What is wrong, or null.</returns>
    public string? JudgeAccesses(Case test, Action<List<RangeAccess>>? edit = null)
    {
        if (Measure(test) is { } outcome)
        {
            return outcome.Failure;
        }

        int total = Place(test);
        Upload(test, total);
        var recorder = new Recorder(_device.Kernels);
        recorder.Observe(_work.Handle);
        aios_status status = test.Launch(_device.Kernels.Observed(), _work.Handle);
        AccessObserver.Forget(_work.Handle);
        if (status != aios_status.Ok)
        {
            return $"returned {status}";
        }

        _work.Synchronize();
        byte[] before = _image.AsSpan(0, total).ToArray(), first = new byte[total];
        _arena!.CopyTo(first, _memory);
        edit?.Invoke(recorder.Accesses);
        bool[] written = Marked(recorder.Accesses.Where(access => access.IsWrite), total, out string? outside);
        bool[] used = Marked(recorder.Accesses, total, out outside);
        if (outside is not null)
        {
            return outside;
        }

        byte[] scribbled = [.. before.Select((value, i) => used[i] ? value : (byte)~value)];
        _arena.CopyFrom(scribbled, _memory);
        test.Launch(_device.Kernels, _work.Handle);
        _work.Synchronize();
        byte[] second = new byte[total];
        _arena.CopyTo(second, _memory);
        for (int i = 0; i < total; i++)
        {
            if (!written[i] && (first[i] != before[i] || second[i] != scribbled[i]))
            {
                return $"{Where(test, i)} was written, which is not declared";
            }

            if (written[i] && first[i] != second[i] && Where(test, i) != test.Workspace?.Name)
            {
                return $"{Where(test, i)} depends on bytes whose reading is not declared";
            }
        }

        return null;
    }

    private bool[] Marked(IEnumerable<RangeAccess> accesses, int total, out string? outside)
    {
        bool[] marks = new bool[total];
        outside = null;
        foreach (RangeAccess access in accesses)
        {
            long start = access.Range.Start - _arena!.Pointer;
            if (start < 0 || start + access.Range.End - access.Range.Start > total)
            {
                outside = $"{access.Name} is declared outside the arena";
                return marks;
            }

            for (long run = 0; run < access.Range.Count; run++)
            {
                marks.AsSpan((int)(start + (run * access.Range.Pitch)), (int)access.Range.Length).Fill(true);
            }
        }

        return marks;
    }

    private static string Where(Case test, int at) =>
        test.Operands.Find(operand => at >= operand.Offset && at < operand.Offset + (operand.Length * operand.ElementSize))?.Name
        ?? $"byte {at}, outside of all buffers,";
}
