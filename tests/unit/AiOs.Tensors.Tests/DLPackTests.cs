using System.Runtime.CompilerServices;
using AiOs.Interop;
using AiOs.Runtime;

namespace AiOs.Tensors.Tests;

/// <summary>Tensors shared with a library written in C, in both directions; that library works in memory of the host.</summary>
public sealed unsafe class DLPackTests
{
    [Fact]
    public void A_consumer_reads_the_tensor_in_place_and_writes_to_it()
    {
        using var device = new DeviceFixture("cpu");
        using Tensor tensor = device.Tensor([1, 2, 3, 4, 5, 6], 2, 3);
        using DLPackHandle handle = tensor.ToDLPack(device.Stream);
        var managed = (aios_dlpack_managed*)handle.Pointer;
        Assert.Equal((1u, default(aios_dlpack_flags)), (managed->version.major, managed->flags));
        Assert.Equal((tensor.Pointer, 0ul), ((nint)managed->tensor.data, managed->tensor.byte_offset));
        Assert.Equal([2, 3], new ReadOnlySpan<long>(managed->tensor.shape, 2).ToArray());
        Assert.Equal([3, 1], new ReadOnlySpan<long>(managed->tensor.strides, 2).ToArray());
        Assert.Equal(21, DLPackPeer.Sum(&managed->tensor));
        DLPackPeer.Fill(&managed->tensor, 2.5f);
        Assert.Equal([2.5f, 2.5f, 2.5f, 2.5f, 2.5f, 2.5f], device.Read(tensor));
    }

    [Fact]
    public void A_consumer_waits_for_the_work_that_writes_the_tensor()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using Tensor ones = Tensor.Full(device.Stream, DType.F32, 1, 1 << 20);
        Tensor sum = ones;
        for (int i = 0; i < 20; i++)
        {
            sum = Ops.Add(tape, sum, ones);
        }

        using DLPackHandle handle = sum.ToDLPack(device.Stream);
        Assert.Equal(21.0 * (1 << 20), DLPackPeer.Sum(&((aios_dlpack_managed*)handle.Pointer)->tensor));
        using Stream other = device.Device.CreateStream();
        using DLPackHandle ordered = sum.ToDLPack(device.Stream, consumer: other);
        using Tensor imported = Tensor.FromDLPack(ordered, other);
        float[] values = new float[1 << 20];
        imported.CopyTo<float>(values, other);
        Assert.All(values.AsSpan(0, 100).ToArray(), value => Assert.Equal(21, value));
    }

    [Fact]
    public void Views_keep_their_strides()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using Tensor tensor = device.Tensor([1, 2, 3, 4, 5, 6], 2, 3);
        Tensor column = Ops.Transpose(tape, Ops.Slice(tape, tensor, 1, 1, 2), 0, 1);
        using DLPackHandle handle = column.ToDLPack(device.Stream);
        aios_dlpack_tensor* view = &((aios_dlpack_managed*)handle.Pointer)->tensor;
        Assert.Equal([2, 2], new ReadOnlySpan<long>(view->shape, 2).ToArray());
        Assert.Equal([1, 3], new ReadOnlySpan<long>(view->strides, 2).ToArray());
        Assert.Equal(2 + 3 + 5 + 6, DLPackPeer.Sum(view));
        using DLPackHandle dense = column.ToDLPack(device.Stream, copy: true);
        var copy = (aios_dlpack_managed*)dense.Pointer;
        Assert.Equal(aios_dlpack_flags.Copied, copy->flags);
        DLPackPeer.Fill(&copy->tensor, 9);
        Assert.Equal([1, 2, 3, 4, 5, 6], device.Read(tensor));
    }

    [Fact]
    public void Every_dtype_has_its_code()
    {
        using var device = new DeviceFixture("cpu");
        Check<float>(device, [1.5f, -4], DType.F32, aios_dlpack_code.Float, -2.5);
        Check(device, [(Half)1.5f, (Half)(-4)], DType.F16, aios_dlpack_code.Float, -2.5);
        Check(device, [(BFloat16)1.5f, (BFloat16)(-4f)], DType.BF16, aios_dlpack_code.Bfloat, -2.5);
        Check(device, [int.MaxValue, -7], DType.I32, aios_dlpack_code.Int, int.MaxValue - 7.0);
        Check<sbyte>(device, [-128, 3], DType.I8, aios_dlpack_code.Int, -125);
        Check<byte>(device, [255, 3], DType.U8, aios_dlpack_code.Uint, 258);
        Check<byte>(device, [0x38, 0x40], DType.F8E4M3, aios_dlpack_code.Float8E4m3fn, double.NaN);
        Check<byte>(device, [0x3c, 0x40], DType.F8E5M2, aios_dlpack_code.Float8E5m2, double.NaN);

        static void Check<T>(DeviceFixture device, T[] values, DType dtype, aios_dlpack_code code, double sum)
            where T : unmanaged
        {
            using Tensor tensor = Tensor.Empty(device.Stream, dtype, values.Length);
            tensor.CopyFrom<T>(values, device.Stream);
            using DLPackHandle handle = tensor.ToDLPack(device.Stream);
            aios_dlpack_tensor* exported = &((aios_dlpack_managed*)handle.Pointer)->tensor;
            Assert.Equal((code, 8 * sizeof(T), 1), (exported->dtype.code, exported->dtype.bits, exported->dtype.lanes));
            Assert.Equal(sum, DLPackPeer.Sum(exported));
            using Tensor back = Tensor.FromDLPack(handle, device.Stream);
            var read = new T[values.Length];
            back.CopyTo<T>(read, device.Stream);
            Assert.Equal((dtype, tensor.Pointer), (back.DType, back.Pointer));
            Assert.Equal(values, read);
        }
    }

    [Fact]
    public void The_data_lives_until_the_consumer_gives_it_back_on_whatever_thread()
    {
        using var device = new DeviceFixture("cpu");
        Tensor tensor = device.Tensor([1, 2, 3], 3);
        nint first = tensor.ToDLPack(device.Stream).Detach();
        nint second = tensor.ToDLPackLegacy(device.Stream).Detach();
        tensor.Dispose();
        using Tensor other = device.Tensor([7, 7, 7], 3);
        Assert.Equal(6, DLPackPeer.Sum(&((aios_dlpack_managed*)first)->tensor));
        DLPackPeer.ReleaseElsewhere(first);
        Assert.Equal(6, DLPackPeer.Sum(&((aios_dlpack_legacy*)second)->tensor));
        Assert.Equal(2, device.Device.Memory.Leaks().Blocks.Count);
        var legacy = (aios_dlpack_legacy*)second;
        legacy->deleter(legacy);
        Assert.Single(device.Device.Memory.Leaks().Blocks);
    }

    [Fact]
    public void Shares_dropped_by_many_threads_while_the_owner_goes_free_the_block_once()
    {
        using var device = new DeviceFixture("cpu");
        for (int round = 0; round < 200; round++)
        {
            Tensor tensor = Tensor.Zeros(device.Stream, DType.F32, 16);
            nint[] shares = [.. Enumerable.Range(0, 4).Select(_ => tensor.ToDLPack(device.Stream).Detach())];
            var threads = Array.ConvertAll(shares, share => new Thread(() => ((aios_dlpack_managed*)share)->deleter((aios_dlpack_managed*)share)));
            Array.ForEach(threads, thread => thread.Start());
            tensor.Dispose();
            Array.ForEach(threads, thread => thread.Join());
        }

        Assert.Empty(device.Device.Memory.Leaks().Blocks);
    }

    [Fact]
    public void An_import_reads_the_producers_memory_and_gives_it_back_once()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using var order = new DLPackPeer.Order { Strides = [1, 2], ByteOffset = 8, Bytes = 32 };
        aios_dlpack_managed* managed = order.Make();
        for (int i = 0; i < 8; i++)
        {
            ((float*)managed->tensor.data)[i] = i;
        }

        DLPackHandle handle = DLPackHandle.Take((nint)managed);
        Tensor tensor = Tensor.FromDLPack(handle, device.Stream);
        Assert.Throws<ObjectDisposedException>(() => Tensor.FromDLPack(handle, device.Stream));
        handle.Dispose();
        Assert.Equal((nint)managed->tensor.data + 8, tensor.Pointer);
        Assert.False(tensor.IsContiguous);
        Assert.Equal([2, 4, 6, 3, 5, 7], device.Read(tensor));
        Tensor view = Ops.Transpose(tape, tensor, 0, 1);
        Tensor sum = Ops.Add(tape, view, view);
        tensor.Dispose();
        tensor.Dispose();
        Assert.Equal(0, order.Deletions); // The view, which the tape owns, still needs it.
        Assert.Equal([4, 6, 8, 10, 12, 14], device.Read(sum));
        tape.Reset();
        Assert.Equal(1, order.Deletions);
    }

    [Fact]
    public void An_import_is_given_back_when_its_work_has_run()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using var order = new DLPackPeer.Order { Shape = [1 << 20], Bytes = 4 << 20 };
        aios_dlpack_managed* managed = order.Make();
        DLPackPeer.Fill(&managed->tensor, 3);
        Tensor tensor = Tensor.FromDLPack(DLPackHandle.Take((nint)managed), device.Stream);
        Tensor result = Ops.Exp(tape, tensor);
        for (int i = 0; i < 10; i++)
        {
            result = Ops.Add(tape, result, tensor);
        }

        Tensor kept = tape.Keep(result);
        tape.Reset();
        tensor.Dispose();
        Assert.Equal(1, order.Deletions);
        Assert.Equal(MathF.Exp(3) + 30, device.Read(kept)[^1], 1e-4f);
        kept.Dispose();
    }

    [Fact]
    public void A_legacy_tensor_comes_in_too()
    {
        using var device = new DeviceFixture("cpu");
        using var order = new DLPackPeer.Order();
        aios_dlpack_legacy* managed = order.MakeLegacy();
        DLPackPeer.Fill(&managed->tensor, 4);
        using (Tensor tensor = Tensor.FromDLPack(DLPackHandle.TakeLegacy((nint)managed), device.Stream))
        {
            Assert.False(tensor.IsReadOnly);
            Assert.Equal([4, 4, 4, 4, 4, 4], device.Read(tensor));
        }

        Assert.Equal(1, order.Deletions);
    }

    [Fact]
    public void Scalars_and_empty_tensors_go_both_ways()
    {
        using var device = new DeviceFixture("cpu");
        using var tape = new Tape(device.Stream);
        using Tensor scalar = device.Tensor([42]);
        using Tensor scalarBack = Tensor.FromDLPack(scalar.ToDLPack(device.Stream), device.Stream);
        Assert.Equal((0, 42f), (scalarBack.Rank, scalarBack.Item(device.Stream)));
        using Tensor empty = Tensor.Zeros(device.Stream, DType.F32, 0, 3);
        DLPackHandle handle = empty.ToDLPack(device.Stream);
        aios_dlpack_tensor* exported = &((aios_dlpack_managed*)handle.Pointer)->tensor;
        Assert.True(exported->data is null);
        Assert.Equal(0, DLPackPeer.Sum(exported));
        using Tensor emptyBack = Tensor.FromDLPack(handle, device.Stream);
        Assert.Equal([0, 3], emptyBack.Shape.ToArray());
        Assert.Equal(0, Ops.Add(tape, Ops.Exp(tape, emptyBack), emptyBack).Length);
        using var order = new DLPackPeer.Order { Shape = null, Rank = 0, Bytes = 4 };
        using (Tensor made = Tensor.FromDLPack(DLPackHandle.Take((nint)order.Make()), device.Stream))
        {
            Assert.Equal(0, made.Item(device.Stream));
        }

        Assert.Equal(1, order.Deletions);
    }

    [Fact]
    public void What_is_read_only_is_not_written()
    {
        using var device = new DeviceFixture("cpu");
        using var order = new DLPackPeer.Order { Flags = aios_dlpack_flags.ReadOnly };
        using Tensor tensor = Tensor.FromDLPack(DLPackHandle.Take((nint)order.Make()), device.Stream);
        Assert.True(tensor.IsReadOnly);
        Assert.Throws<ArgumentException>(() => tensor.CopyFrom<float>(new float[6], device.Stream));
        Assert.Throws<InvalidOperationException>(() => tensor.WithGrad());
        Assert.Throws<ArgumentException>(() => tensor.ToDLPackLegacy(device.Stream));
        using DLPackHandle again = tensor.ToDLPack(device.Stream);
        Assert.Equal(aios_dlpack_flags.ReadOnly, ((aios_dlpack_managed*)again.Pointer)->flags);
        using Tensor own = device.Tensor([1], 1);
        using DLPackHandle forbidden = own.ToDLPack(device.Stream, readOnly: true);
        Assert.Equal(aios_dlpack_flags.ReadOnly, ((aios_dlpack_managed*)forbidden.Pointer)->flags);
    }

    [Fact]
    public void What_others_see_is_never_written_in_place()
    {
        using var device = new DeviceFixture("cpu");
        using Tensor tensor = device.Tensor([1, 2], 2);
        Assert.True(tensor.Body.IsExclusive);
        using (tensor.ToDLPack(device.Stream))
        {
            Assert.False(tensor.Body.IsExclusive);
        }

        Assert.True(tensor.Body.IsExclusive);
        using var shared = new DLPackPeer.Order();
        using Tensor imported = Tensor.FromDLPack(DLPackHandle.Take((nint)shared.Make()), device.Stream);
        Assert.False(imported.Body.IsExclusive);
        using var copied = new DLPackPeer.Order { Flags = aios_dlpack_flags.Copied };
        using Tensor own = Tensor.FromDLPack(DLPackHandle.Take((nint)copied.Make()), device.Stream);
        Assert.True(own.Body.IsExclusive);
    }

    [Fact]
    public void What_cannot_be_a_tensor_is_refused_in_one_line_and_given_back()
    {
        using var device = new DeviceFixture("cpu");
        Refused(device, "DLPack 2.0", new() { Version = new() { major = 2 }, Rank = int.MinValue });
        Refused(device, "Cuda 1", new() { Device = new() { type = aios_dlpack_device_type.Cuda, id = 1 } });
        Refused(device, "a device of type 8", new() { Device = new() { type = (aios_dlpack_device_type)8 } });
        Refused(device, "float64", new() { Type = new() { code = aios_dlpack_code.Float, bits = 64, lanes = 1 }, Bytes = 48 });
        Refused(device, "float32x4", new() { Type = new() { code = aios_dlpack_code.Float, bits = 32, lanes = 4 }, Bytes = 96 });
        Refused(device, "complex64", new() { Type = new() { code = (aios_dlpack_code)5, bits = 64, lanes = 1 }, Bytes = 48 });
        Refused(device, "bool8", new() { Type = new() { code = (aios_dlpack_code)6, bits = 8, lanes = 1 } });
        Refused(device, "code 99", new() { Type = new() { code = (aios_dlpack_code)99, bits = 8, lanes = 1 } });
        Refused(device, "9 dimensions", new() { Shape = [1, 1, 1, 1, 1, 1, 1, 1, 1] });
        Refused(device, "no shape", new() { Shape = null, Rank = 2 });
        Refused(device, "negative extent", new() { Shape = [2, -3] });
        Refused(device, "stride -1", new() { Strides = [3, -1] });
        Refused(device, "not aligned", new() { ByteOffset = 2, Bytes = 32 });
        Refused(device, "no data", new() { Bytes = 0 });
        Refused(device, "beyond the address space", new() { ByteOffset = ulong.MaxValue });
        Refused(device, "beyond the address space", new() { ByteOffset = long.MaxValue - 7 });
        Refused(device, "address space", new() { Shape = [long.MaxValue, 4] });
        Refused(device, "address space", new() { Strides = [long.MaxValue / 2, 1] });
        using var newer = new DLPackPeer.Order { Version = new() { major = 1, minor = 7 } };
        Tensor.FromDLPack(DLPackHandle.Take((nint)newer.Make()), device.Stream).Dispose();
        Assert.Equal(1, newer.Deletions);
        Assert.Throws<ArgumentException>(() => DLPackHandle.Take(0));

        static void Refused(DeviceFixture device, string words, DLPackPeer.Order order)
        {
            using (order)
            {
                nint managed = (nint)order.Make();
                var error = Assert.Throws<ArgumentException>(() => Tensor.FromDLPack(DLPackHandle.Take(managed), device.Stream));
                Assert.StartsWith("Tensor.FromDLPack: ", error.Message, StringComparison.Ordinal);
                Assert.Contains(words, error.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', error.Message);
                Assert.Equal(1, order.Deletions);
            }
        }
    }

    [Fact]
    public void What_is_forgotten_is_given_back_too()
    {
        using var unused = new DLPackPeer.Order();
        using var imported = new DLPackPeer.Order();
        using (var device = new DeviceFixture("cpu"))
        {
            Forget(device, (nint)unused.Make(), (nint)imported.Make());
            Collect();
            Assert.Equal(1, unused.Deletions);
            device.Device.Synchronize();
            Assert.Equal(1, imported.Deletions);
        }

        using (Device device = Device.Open())
        {
            using Stream stream = device.CreateStream();
            ForgetExport(stream);
            Collect();
            Assert.True(Assert.Single(device.Memory.Leaks().Blocks).Finalized);
            Assert.Equal(0, device.Memory.Statistics.AllocatedBytes);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(DeviceFixture device, nint unused, nint imported)
        {
            DLPackHandle.Take(unused);
            Tensor.FromDLPack(DLPackHandle.Take(imported), device.Stream);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void ForgetExport(Stream stream)
        {
            using Tensor tensor = Tensor.Zeros(stream, DType.F32, 4);
            tensor.ToDLPack(stream);
        }

        static void Collect()
        {
            for (int i = 0; i < 3; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
    }

    [Fact]
    public void A_handle_has_one_owner()
    {
        using var device = new DeviceFixture("cpu");
        using Tensor tensor = device.Tensor([1], 1);
        DLPackHandle handle = tensor.ToDLPack(device.Stream);
        nint managed = handle.Detach();
        Assert.Throws<ObjectDisposedException>(() => handle.Pointer);
        Assert.Throws<ObjectDisposedException>(() => handle.Detach());
        handle.Dispose();
        Assert.Equal(1, DLPackPeer.Sum(&((aios_dlpack_managed*)managed)->tensor));
        DLPackHandle.Take(managed).Dispose();
    }
}
