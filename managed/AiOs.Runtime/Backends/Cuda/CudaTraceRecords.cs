using System.Runtime.InteropServices;
using AiOs.Interop.Cuda;
using ClockPair = AiOs.Runtime.CudaTrace.ClockPair;

namespace AiOs.Runtime;

/// <summary>
/// What a trace keeps of CUPTI's records, and the commands that it becomes. Records of one command come in several buffers
/// and in any order: the command itself, the call that enqueued it, and for a graph which stream it was launched on.
/// They have the call's number in common.
/// </summary>
/// <remarks>
/// Newer versions of CUPTI hand out longer records with more fields at the end. So of each no more is read than the
/// beginning, up to <c>graphId</c>, which has been the same since CUDA 12.0; where the next begins, CUPTI says.
/// </remarks>
/// <param name="capacity">Commands that there is room for.</param>
internal sealed unsafe class CudaTraceRecords(long capacity)
{
    /// <summary>Calls that are kept for each command that there is room for: most calls enqueue nothing.</summary>
    private const int CallsPerCommand = 4;

    private readonly Lock _gate = new();
    private readonly List<Command> _commands = [];
    private readonly Dictionary<uint, (ulong Start, uint Thread)> _calls = [];
    private readonly Dictionary<uint, long> _streams = [];
    private readonly Dictionary<uint, long> _launches = [];
    private readonly Dictionary<nint, string> _names = [];

    /// <summary>CUPTI's number of the context whose commands are kept.</summary>
    public uint Context { get; set; }

    /// <summary>Commands that there was no room for.</summary>
    public long Dropped { get; private set; }

    /// <summary>Gives a stream its number.</summary>
    /// <param name="id">CUPTI's number of it.</param>
    /// <param name="number">The runtime's.</param>
    public void AddStream(uint id, long number)
    {
        lock (_gate)
        {
            _streams[id] = number;
        }
    }

    /// <summary>Keeps a record. Never throws: CUPTI calls it.</summary>
    public void Add(CUpti_Activity* record)
    {
        lock (_gate)
        {
            try
            {
                Keep(record);
            }
            catch (OutOfMemoryException)
            {
                Dropped++;
            }
        }
    }

    /// <summary>The commands, in no order; of a graph its nodes, and around them the launch.</summary>
    /// <param name="from">The clocks when the recording began.</param>
    /// <param name="to">The clocks when it ended; between the two they differ by what grows evenly.</param>
    public IReadOnlyList<TraceRecord> ToCommands(ClockPair from, ClockPair to)
    {
        lock (_gate)
        {
            double rate = to.Cupti > from.Cupti ? (double)(to.Host - from.Host) / (to.Cupti - from.Cupti) : 1;
            long HostTime(ulong time) => from.Host + (long)Math.Round((double)((long)time - (long)from.Cupti) * rate);

            var records = new List<TraceRecord>(_commands.Count);
            var graphs = new Dictionary<uint, List<Command>>();
            foreach (Command command in _commands)
            {
                if (command.IsNode)
                {
                    (CollectionsMarshal.GetValueRefOrAddDefault(graphs, command.Call, out _) ??= []).Add(command);
                    continue;
                }

                (long enqueued, long thread) = Enqueued(command.Call);
                records.Add(new TraceRecord(
                    command.Name, _streams.GetValueOrDefault(command.Stream), 0, thread, enqueued, HostTime(command.Start), HostTime(command.End), command.Bytes));
            }

            foreach ((uint call, List<Command> nodes) in graphs)
            {
                long stream = _launches.TryGetValue(call, out long launched) ? launched : _streams.GetValueOrDefault(nodes[0].Stream);
                (long enqueued, long thread) = Enqueued(call);
                records.Add(new TraceRecord(
                    "graph", stream, 0, thread, enqueued, HostTime(nodes.Min(node => node.Start)), HostTime(nodes.Max(node => node.End)), 0));
                AddNodes(nodes, stream);
            }

            return records;

            (long Ns, long Thread) Enqueued(uint call) =>
                _calls.TryGetValue(call, out (ulong Start, uint Thread) made) ? (HostTime(made.Start), made.Thread) : (0, 0);

            // CUPTI does not say which branch of its graph a node is on: those that run side by side get one each.
            void AddNodes(List<Command> nodes, long stream)
            {
                var ends = new List<ulong>();
                foreach (Command node in nodes.OrderBy(node => node.Start))
                {
                    int branch = ends.FindIndex(end => end <= node.Start);
                    if (branch < 0)
                    {
                        branch = ends.Count;
                        ends.Add(0);
                    }

                    ends[branch] = node.End;
                    records.Add(new TraceRecord(node.Name, stream, branch, 0, 0, HostTime(node.Start), HostTime(node.End), node.Bytes));
                }
            }
        }
    }

    private void Keep(CUpti_Activity* record)
    {
        switch (record->kind)
        {
            case CUpti_ActivityKind.ConcurrentKernel:
                var kernel = (CUpti_ActivityKernel9*)record;
                Keep(new Command(
                    Name((nint)kernel->name), kernel->contextId, kernel->streamId, kernel->correlationId, kernel->graphId != 0, kernel->start, kernel->end, 0));
                break;
            case CUpti_ActivityKind.Memcpy:
                var copy = (CUpti_ActivityMemcpy5*)record;
                Keep(new Command(
                    "copy", copy->contextId, copy->streamId, copy->correlationId, copy->graphId != 0, copy->start, copy->end, (long)copy->bytes));
                break;
            case CUpti_ActivityKind.Memcpy2:
                var peer = (CUpti_ActivityMemcpyPtoP4*)record;
                Keep(new Command(
                    "copy", peer->contextId, peer->streamId, peer->correlationId, peer->graphId != 0, peer->start, peer->end, (long)peer->bytes));
                break;
            case CUpti_ActivityKind.Memset:
                var fill = (CUpti_ActivityMemset4*)record;
                Keep(new Command(
                    "fill", fill->contextId, fill->streamId, fill->correlationId, fill->graphId != 0, fill->start, fill->end, (long)fill->bytes));
                break;
            case CUpti_ActivityKind.Driver or CUpti_ActivityKind.Runtime:
                var call = (CUpti_ActivityAPI*)record;
                if (_calls.Count < capacity * CallsPerCommand)
                {
                    _ = _calls.TryAdd(call->correlationId, (call->start, call->threadId));
                }

                break;
            case CUpti_ActivityKind.ExternalCorrelation:
                var launch = (CUpti_ActivityExternalCorrelation*)record;
                if (launch->externalKind == CUpti_ExternalCorrelationKind.Custom0 && _launches.Count < capacity)
                {
                    _launches[launch->correlationId] = (long)launch->externalId;
                }

                break;
        }
    }

    // A time of 0 is one that the device did not tell, as for work that had not ended.
    private void Keep(in Command command)
    {
        if (command.Context != Context || command.Start == 0 || command.End == 0)
        {
            return;
        }

        if (_commands.Count < capacity)
        {
            _commands.Add(command);
        }
        else
        {
            Dropped++;
        }
    }

    // CUPTI has one text for all records of a kernel.
    private string Name(nint text)
    {
        if (!_names.TryGetValue(text, out string? name))
        {
            name = CudaNames.Demangle(Marshal.PtrToStringUTF8(text) ?? "kernel");
            _names.Add(text, name);
        }

        return name;
    }

    private readonly record struct Command(
        string Name, uint Context, uint Stream, uint Call, bool IsNode, ulong Start, ulong End, long Bytes);
}
