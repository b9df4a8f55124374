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
public sealed unsafe class Lab : IDisposable
{
    private const int Guard = 256;
    private const int Alignment = 64;

    private readonly Device _device;
    private readonly Stream _stream;
    private DeviceMemory<byte>? _arena;
    private byte[] _image = [];
    private byte[] _result = [];

    public Lab(string backend, int threads)
    {
        _device = Device.Open(backend, new DeviceOptions { Threads = threads });
        _stream = _device.CreateStream();
    }

    public Device Device => _device;

    public void Dispose()
    {
        _arena?.Dispose();
        _stream.Dispose();
        _device.Dispose();
    }

    /// <summary>Waits until what was uploaded has arrived.</summary>
    public void Synchronize() => _stream.Synchronize();

    /// <summary>Runs the case; with <paramref name="judge"/> false only the fingerprint of the outputs is wanted.</summary>
    public Outcome Run(Case test, bool judge = true)
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

        int total = Place(test);
        Upload(test, total);
        if (test.ExpectedExecutionError is { } text)
        {
            return RunToFailure(test, text, total);
        }

        aios_status status = test.Launch(_device.Kernels, _stream.Handle);
        _arena!.CopyTo(_result.AsSpan(0, total), _stream);
        if (status != test.ExpectedStatus)
        {
            return new Outcome($"returned {status}, expected {test.ExpectedStatus}{Reason(status, test.Op)}", status, 0);
        }

        string? failure = judge ? Judge(test, total) : null;
        return new Outcome(failure, status, Fingerprint(test));
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
            _arena = _device.Allocate<byte>(_image.Length, _stream);
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

        _arena!.Span.Slice(0, total).CopyFrom(_image.AsSpan(0, total), _stream);
    }

    /// <summary>Runs a case whose work must fail: on a stream of its own, because the error sticks.</summary>
    private Outcome RunToFailure(Case test, string text, int total)
    {
        _stream.Synchronize();
        var stream = _device.CreateStream();
        try
        {
            aios_status status = test.Launch(_device.Kernels, stream.Handle);
            if (status != aios_status.Ok)
            {
                return new Outcome($"the launcher returned {status}{Reason(status, test.Op)}", status, 0);
            }

            for (int attempt = 0; attempt < 2; attempt++)
            {
                try
                {
                    stream.Synchronize();
                    return new Outcome($"synchronize {attempt + 1} succeeded; expected a failure with '{text}'", status, 0);
                }
                catch (BackendException e) when (e.Status == aios_status.ExecutionFailed && e.Message.Contains(text, StringComparison.Ordinal))
                {
                    // Once more: the error must stick.
                }
                catch (BackendException e)
                {
                    return new Outcome($"expected an execution failure with '{text}', got {e.Status}: {e.Message}", status, 0);
                }
            }
        }
        finally
        {
            try
            {
                stream.Dispose();
            }
            catch (BackendException)
            {
                // The sticky error was the point of the case.
            }
        }

        _arena!.CopyTo(_result.AsSpan(0, total), _stream);
        foreach (Operand operand in test.Operands.Where(operand => operand.Role != Role.Input))
        {
            // What failed may have been written in part.
            Bytes(_result, operand).CopyTo(Bytes(_image, operand));
        }

        return new Outcome(Compare(test, total), aios_status.ExecutionFailed, 0);
    }

    private string? Judge(Case test, int total)
    {
        if (test.ExpectedStatus == aios_status.Ok)
        {
            test.Oracle?.Invoke();
        }

        foreach (Operand operand in test.Operands)
        {
            if (operand.Role == Role.Scratch)
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

    private string Reason(aios_status status, string call)
    {
        if (status == aios_status.Ok)
        {
            return "";
        }

        try
        {
            _stream.Check(status, call);
            return "";
        }
        catch (AiOsException e)
        {
            return $" ({e.Message})";
        }
    }

    private static Span<byte> Bytes(byte[] image, Operand operand) =>
        image.AsSpan(operand.Offset, operand.Length * operand.ElementSize);

    private ulong Fingerprint(Case test)
    {
        ulong hash = 14695981039346656037UL;
        foreach (Operand operand in test.Operands.Where(operand => operand.Role == Role.Output))
        {
            foreach (ushort half in MemoryMarshal.Cast<byte, ushort>(Bytes(_result, operand)))
            {
                hash = (hash ^ half) * 1099511628211UL;
            }
        }

        return hash;
    }
}
