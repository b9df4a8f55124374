using System.Runtime.InteropServices;
using AiOs.Interop;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Conformance.Harness;

/// <summary>What running a case showed.</summary>
public readonly record struct Outcome(string? Failure, aios_status Status, ulong Fingerprint);

/// <summary>
/// Runs cases on one device. All buffers of a case lie in one arena, poison between them; the arena is uploaded before
/// the launch and compared afterwards byte by byte: outputs with the oracle, everything else with what was uploaded. So
/// an element written outside its buffer, in the gap of a stride or into an input is seen wherever it lands.
/// </summary>
public sealed unsafe partial class Lab : IDisposable
{
    private const int Guard = 256;
    private const int Alignment = 64;

    private readonly Device _device;
    private readonly Stream _memory;
    private Stream _work;
    private DeviceMemory<byte>? _arena;
    private byte[] _image = [];
    private byte[] _result = [];
    private int _total;

    public Lab(string backend, int threads, bool? detectRaces = null)
    {
        var options = new DeviceOptions { Threads = threads };
        _device = Device.Open(backend, options with { DetectRaces = detectRaces ?? options.DetectRaces });
        _memory = _device.CreateStream();
        _work = _device.CreateStream();
    }

    public Device Device => _device;

    public void Dispose()
    {
        _arena?.Dispose();
        _memory.Dispose();
        _work.Dispose();
        _device.Dispose();
    }

    /// <summary>Runs the case; with <paramref name="judge"/> false only the fingerprint of the outputs is wanted.</summary>
    public Outcome Run(Case test, bool judge = true)
    {
        if (Measure(test) is { } outcome)
        {
            return outcome;
        }

        int total = _total = Place(test);
        Upload(test, total);
        aios_status status = test.Launch(_device.Kernels, _work.Handle);
        string reason = status == aios_status.Ok ? "" : Catch(() => _work.Check(status, test.Op))!.Message;
        BackendException? error = Catch(_work.Synchronize);
        string? failure = error is null && test.ExpectedExecutionError is null ? null : JudgeError(test, ref status, error);
        _arena!.CopyTo(_result.AsSpan(0, total), _memory);
        if (failure is null && status != test.ExpectedStatus && test.ExpectedExecutionError is null)
        {
            failure = $"returned {status}, expected {test.ExpectedStatus} ({reason})";
        }

        failure ??= judge ? Judge(test, total) : null;
        return new Outcome(failure, status, Fingerprint(test));
    }

    /// <summary>Gives the workspace its size; the outcome when the case ends there.</summary>
    private Outcome? Measure(Case test)
    {
        if (test.WorkspaceSize is { } query)
        {
            long bytes = query(_device.Kernels);
            if (bytes < 0)
            {
                return new Outcome($"the workspace size is {bytes}", (aios_status)(-bytes), 0);
            }

            if (bytes == 0 && test.WorkspaceShortfall > 0)
            {
                return new Outcome(null, aios_status.Ok, 0);
            }

            test.Workspace!.Length = (int)Math.Max(0, bytes - test.WorkspaceShortfall);
        }

        return null;
    }

    /// <summary>What is wrong with the outputs of the last run of this very case, or null when only their bits differ.</summary>
    public string? Explain(Case test) => Judge(test, _total);

    /// <summary>The error that enqueued work left on its stream must be the expected one, and must stick.</summary>
    private string? JudgeError(Case test, ref aios_status status, BackendException? error)
    {
        if (error is null)
        {
            return $"succeeded; expected the work to fail with '{test.ExpectedExecutionError}'";
        }

        BackendException? again = Catch(_work.Synchronize);
        status = error.Status;
        Catch(_work.Dispose);
        _work = _device.CreateStream();
        if (again?.Message != error.Message)
        {
            return $"failed with '{error.Message}', but the error did not stick: then '{again?.Message}'";
        }

        bool expected = test.ExpectedExecutionError is { } text
            && error.Status == aios_status.ExecutionFailed && error.Message.Contains(text, StringComparison.Ordinal);
        return expected ? null : $"failed with {error.Status}, '{error.Message}'; expected {test.ExpectedExecutionError ?? "success"}";
    }

    private static BackendException? Catch(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (BackendException e)
        {
            return e;
        }
    }

    /// <summary>Gives every operand its place: guard bands around it, its start aligned as the case says.</summary>
    private int Place(Case test)
    {
        int at = Guard;
        foreach (Operand operand in test.Operands)
        {
            operand.Offset = at + (operand.Misalignment * operand.ElementSize);
            int end = operand.Offset + (operand.Length * operand.ElementSize);
            at = ((end + Alignment - 1) / Alignment * Alignment) + Guard;
        }

        if (at > _image.Length)
        {
            _image = new byte[at * 3 / 2 / Alignment * Alignment];
            _result = new byte[_image.Length];
            _arena?.Dispose();
            _arena = _device.Allocate<byte>(_image.Length, _memory);
            Assert.Equal(0, _arena.Pointer % Alignment);
        }

        foreach (Operand operand in test.Operands)
        {
            operand.Address = _arena!.Pointer + operand.Offset;
        }

        return at;
    }

    private void Upload(Case test, int total)
    {
        Storage.Fill(_image.AsSpan(0, total), Storage.InputGuard);
        foreach (Operand operand in test.Operands)
        {
            Span<byte> bytes = Bytes(_image, operand);
            if (operand.Role == Role.Output)
            {
                Storage.Fill(_image.AsSpan(operand.Offset - (Guard / 2), bytes.Length + Guard), Storage.OutputGuard);
                Storage.Fill(bytes, Storage.Poison);
            }

            if (operand.Table is { } table)
            {
                table().CopyTo(bytes);
            }
            else if (operand.Initial is { } values)
            {
                for (int i = 0; i < values.Length; i++)
                {
                    Storage.Store(bytes[(i * operand.ElementSize)..], operand.Type, values[i]);
                }
            }
        }

        _arena!.Span.Slice(0, total).CopyFrom(_image.AsSpan(0, total), _memory);
        _memory.Synchronize();
    }

    private string? Judge(Case test, int total)
    {
        bool fails = test.ExpectedExecutionError is not null;
        if (test.ExpectedStatus == aios_status.Ok && !fails)
        {
            test.Oracle?.Invoke();
        }

        foreach (Operand operand in test.Operands)
        {
            // What failed on the way may have written a part of its outputs.
            if (operand.Role == Role.Scratch || (fails && operand.Role == Role.Output))
            {
                Bytes(_result, operand).CopyTo(Bytes(_image, operand));
            }
            else if (operand.HasExpectations && JudgeOutput(operand) is { } failure)
            {
                return failure;
            }
        }

        return Compare(test, total);
    }

    private string? JudgeOutput(Operand operand)
    {
        Span<byte> got = Bytes(_result, operand);
        Span<byte> before = Bytes(_image, operand);
        string? first = null;
        int failures = 0;
        for (int i = 0; i < operand.Length; i++)
        {
            if (!operand.Expects(i, out double want, out double magnitude))
            {
                continue;
            }

            if (operand.RoundingOf is { } source)
            {
                want = Storage.Round(operand.Type, Storage.Load(Bytes(_result, source)[(i * source.ElementSize)..], source.Type));
            }

            Span<byte> element = got.Slice(i * operand.ElementSize, operand.ElementSize);
            string? wrong = Storage.IsPoison(element, operand.Type)
                ? "was not written"
                : Tolerance.Judge(operand, Storage.Load(element, operand.Type), want, magnitude);
            if (wrong is not null)
            {
                failures++;
                first ??= $"{operand.Name}[{i}] {wrong}";
            }

            element.CopyTo(before[(i * operand.ElementSize)..]);
        }

        return failures > 1 ? $"{first} (and {failures - 1} more of {operand.Length})" : first;
    }

    /// <summary>After what may change was copied into the image, nothing else may differ.</summary>
    private string? Compare(Case test, int total)
    {
        int same = _image.AsSpan(0, total).CommonPrefixLength(_result.AsSpan(0, total));
        if (same == total)
        {
            return null;
        }

        foreach (Operand operand in test.Operands)
        {
            int size = operand.ElementSize;
            int relative = same - operand.Offset;
            if (relative >= 0 && relative < operand.Length * size)
            {
                return $"{operand.Name}[{relative / size}] was changed but is not an output element";
            }

            if (relative is < 0 and >= -Guard / 2)
            {
                return $"{-relative} bytes before {operand.Name} were overwritten";
            }

            if (relative >= 0 && relative < (operand.Length * size) + (Guard / 2))
            {
                return $"{operand.Name} was overwritten {relative - (operand.Length * size)} bytes behind its end";
            }
        }

        return $"byte {same} of the arena was overwritten";
    }

    private static Span<byte> Bytes(byte[] image, Operand operand) =>
        image.AsSpan(operand.Offset, operand.Length * operand.ElementSize);

    private ulong Fingerprint(Case test)
    {
        ulong hash = 14695981039346656037UL;
        foreach (Operand operand in test.Operands.Where(operand => operand.Role == Role.Output))
        {
            Span<byte> bytes = Bytes(_result, operand);
            foreach (ushort half in MemoryMarshal.Cast<byte, ushort>(bytes))
            {
                hash = (hash ^ half) * 1099511628211UL;
            }

            if (bytes.Length % 2 != 0)
            {
                hash = (hash ^ bytes[^1]) * 1099511628211UL;
            }
        }

        return hash;
    }
}
