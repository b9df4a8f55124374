using AiOs.Bench.Results;
using AiOs.Runtime;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Bench.Measure;

/// <summary>
/// The limits of a GPU: its memory as a copy by the driver measures it, reads and writes together, and its arithmetic as its
/// data sheet states it for dense operands, at the clock of the data sheet. What is not known here has no such limit.
/// </summary>
internal sealed class GpuLimits : ILimits
{
    private const int OverviewRounds = 5;
    private const int CopiesPerMeasurement = 4;

    private readonly Stream _stream;
    private readonly DeviceMemory<byte> _buffer;
    private readonly Event _begin;
    private readonly Event _end;

    public GpuLimits(Stream stream, long bytes)
    {
        _stream = stream;
        _buffer = stream.Device.Allocate<byte>(bytes, stream);
        _begin = stream.Device.CreateEvent();
        _end = stream.Device.CreateEvent();
        _buffer.Span.Fill(0, stream);
    }

    // Per multiprocessor and clock, dense; a multiply-add is two operations.
    private (double Hertz, double F32, double BFloat16, double Int8)? Sheet => _stream.Device.Info.Isa switch
    {
        "sm_80" => (1.41e9, 128, 2048, 4096),
        "sm_86" => (1.70e9, 256, 512, 1024),
        "sm_89" => (2.52e9, 256, 1024, 2048),
        "sm_90" => (1.83e9, 256, 4096, 8192), // as an SXM module
        _ => null,
    };

    /// <summary>Nothing is in a cache: every launch is timed after the cache was overwritten.</summary>
    public Level LevelOf(in Work work) => Level.Dram;

    public RoundLimits Measure(in Work work)
    {
        double memory = work.Bytes > 0 ? Copied() : double.PositiveInfinity;
        double operations = work.Operations > 0 ? Rate(work.Arithmetic) : double.PositiveInfinity;
        return new RoundLimits(operations, memory, memory, memory, memory);
    }

    public string NameOf(Arithmetic arithmetic) => "nominal_" + arithmetic.ToString().ToLowerInvariant();

    public IReadOnlyList<MeasuredLimit> Overview()
    {
        double[] copies = new double[OverviewRounds + 1];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = Copied();
        }

        return
        [
            .. ((ReadOnlySpan<Arithmetic>)[Arithmetic.F32, Arithmetic.TF32, Arithmetic.BF16, Arithmetic.I8]).ToArray().Select(
                arithmetic => new MeasuredLimit(NameOf(arithmetic), Rate(arithmetic), arithmetic == Arithmetic.I8 ? "OP/s" : "FLOP/s"))
                .Where(limit => double.IsFinite(limit.Rate)),
            new MeasuredLimit("copy_dram", Statistics.Median(copies[1..]), "B/s"), // the first wakes the clocks
        ];
    }

    public void Dispose()
    {
        _begin.Dispose();
        _end.Dispose();
        _buffer.Dispose();
    }

    private double Rate(Arithmetic arithmetic)
    {
        if (Sheet is not { } sheet)
        {
            return double.PositiveInfinity;
        }

        double perClock = arithmetic switch { Arithmetic.BF16 => sheet.BFloat16, Arithmetic.TF32 => sheet.BFloat16 / 2, Arithmetic.I8 => sheet.Int8, _ => sheet.F32 };
        return _stream.Device.Info.Threads * sheet.Hertz * perClock;
    }

    /// <summary>Bytes per second, read and written.</summary>
    private double Copied()
    {
        long half = _buffer.Length / 2;
        _stream.Record(_begin);
        for (int i = 0; i < CopiesPerMeasurement; i++)
        {
            _stream.Copy(_buffer.Pointer, _buffer.Pointer + (nint)half, half);
        }

        _stream.Record(_end);
        _stream.Synchronize();
        return CopiesPerMeasurement * 2.0 * half / Math.Max(1e-9, 1e-3 * Event.ElapsedMilliseconds(_begin, _end));
    }
}
