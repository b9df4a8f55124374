using AiOs.Interop;
using AiOs.Interop.Cuda;

namespace AiOs.Runtime;

/// <summary>Captures and graphs.</summary>
internal sealed unsafe partial class CudaDriver
{
    private readonly Lock _captureGate = new();
    private readonly Dictionary<nint, CudaCapture> _captures = [];
    private readonly Dictionary<nint, CudaCapture> _captured = [];
    private readonly Dictionary<nint, CudaGraph> _graphs = [];
    private volatile int _capturing;

    public override aios_status BeginCapture(aios_stream stream) => Begin(stream, null, 0, 0);

    public override aios_status EndCapture(aios_stream stream, out aios_graph graph)
    {
        graph = default;
        CUresult result = End(stream, out CUgraph captured, out CudaCapture? capture);
        if (result == CUresult.Success)
        {
            result = CudaGraph.Create(_cuda, captured, capture!, out CudaGraph? created);
            if (created is not null)
            {
                lock (_captureGate)
                {
                    _graphs.Add(created.Exec.Value, created);
                }

                graph = new aios_graph(created.Exec.Value);
                return aios_status.Ok;
            }
        }

        capture?.Calls.ForEach(_callbacks.Free);
        return _context.Fold(result);
    }

    public override long Captured(aios_stream stream)
    {
        if (CaptureOf(stream) is not { } capture)
        {
            return -1;
        }

        _context.Enter();
        lock (_captureGate)
        {
            capture.CollectAll();
            return capture.Nodes.Count;
        }
    }

    public override aios_status BeginUpdate(aios_stream stream, aios_graph graph, long first, long count)
    {
        CudaGraph updated = Find(graph);
        return first < 0 || count < 0 || first > updated.Shape.Nodes - count
            ? CudaContext.Fail(aios_status.InvalidArgument, $"nodes {first} to {first + count - 1} are not all of the graph, which has {updated.Shape.Nodes}")
            : Begin(stream, updated, (int)first, (int)count);
    }

    public override aios_status EndUpdate(aios_stream stream)
    {
        CUresult result = End(stream, out CUgraph values, out CudaCapture? capture);
        string? problem = null;
        if (result == CUresult.Success)
        {
            result = capture!.Updated!.Update(capture, _context.Handle, out problem);
            _ = _cuda.cuGraphDestroy(values);
        }

        capture?.Calls.ForEach(_callbacks.Free);
        return problem is null ? _context.Fold(result) : CudaContext.Fail(aios_status.InvalidArgument, problem);
    }

    public override aios_status Launch(aios_graph graph, aios_stream stream)
    {
        _context.Enter();
        CudaGraph launched = Find(graph);
        CudaStream known = _streams[stream.Value];
        known.Launch(launched.Records);
        foreach (nint call in launched.Calls)
        {
            CudaCallbacks.Move(call, known);
        }

        CudaTrace? trace = CudaTrace.Of(_context);
        trace?.BeginLaunch(known);
        CUresult result = _cuda.cuGraphLaunch(launched.Exec, known.Handle);
        trace?.EndLaunch();
        return _context.Fold(result);
    }

    public override aios_status DestroyGraph(aios_graph graph)
    {
        _context.Enter();
        CudaGraph? destroyed;
        lock (_captureGate)
        {
            if (!_graphs.Remove(graph.Value, out destroyed))
            {
                return aios_status.Ok;
            }
        }

        destroyed.Destroy();
        foreach (nint call in destroyed.Calls)
        {
            _callbacks.Free(call);
        }

        return aios_status.Ok;
    }

    public override aios_status Describe(aios_graph graph, out GraphShape shape)
    {
        shape = Find(graph).Shape;
        return aios_status.Ok;
    }

    public override aios_status Describe(aios_graph graph, long index, out GraphNode node)
    {
        node = Find(graph)[index];
        return aios_status.Ok;
    }

    private CudaGraph Find(aios_graph graph)
    {
        lock (_captureGate)
        {
            return _graphs[graph.Value];
        }
    }

    private CudaCapture? CaptureOf(aios_stream stream)
    {
        if (_capturing == 0)
        {
            return null;
        }

        lock (_captureGate)
        {
            return _captures.GetValueOrDefault(stream.Value);
        }
    }

    private aios_status Begin(aios_stream stream, CudaGraph? updated, int first, int count)
    {
        _context.Enter();
        var handle = new CUstream(stream.Value);
        lock (_captureGate)
        {
            // Relaxed: the allocator may map memory meanwhile, and other threads may do anything.
            CUresult result = _cuda.cuStreamBeginCapture(handle, CUstreamCaptureMode.Relaxed);
            if (result == CUresult.Success)
            {
                var capture = new CudaCapture(_cuda, handle) { Updated = updated, First = first, Count = count };
                _captures.Add(stream.Value, capture);
                NoteRecordOf(stream, capture);
                _capturing++;
            }

            return _context.Fold(result);
        }
    }

    private CUresult End(aios_stream stream, out CUgraph graph, out CudaCapture? capture)
    {
        _context.Enter();
        graph = default;
        lock (_captureGate)
        {
            capture = _captures.GetValueOrDefault(stream.Value);
            capture?.CollectAll();
            CUgraph captured = default;
            CUresult result = _cuda.cuStreamEndCapture(new CUstream(stream.Value), &captured);
            graph = captured;
            if (capture is not null)
            {
                foreach (CUstream member in capture.Streams)
                {
                    _captures.Remove(member.Value);
                }

                foreach ((nint recorded, CudaCapture owner) in _captured)
                {
                    if (owner == capture)
                    {
                        _captured.Remove(recorded);
                    }
                }

                _capturing--;
            }

            return result;
        }
    }

    private void NoteRecord(aios_event recorded, aios_stream stream)
    {
        if (_capturing == 0)
        {
            return;
        }

        lock (_captureGate)
        {
            if (_captures.TryGetValue(stream.Value, out CudaCapture? capture))
            {
                capture.Collect(new CUstream(stream.Value));
                _captured[recorded.Value] = capture;
            }
            else
            {
                _captured.Remove(recorded.Value);
            }
        }
    }

    private void NoteWait(aios_stream stream)
    {
        if (_capturing > 0 && CaptureOf(stream) is { } capture)
        {
            lock (_captureGate)
            {
                capture.Collect(new CUstream(stream.Value));
            }
        }
    }

    private void NoteJoin(aios_stream stream, aios_event recorded)
    {
        if (_capturing == 0)
        {
            return;
        }

        lock (_captureGate)
        {
            if (_captured.TryGetValue(recorded.Value, out CudaCapture? capture))
            {
                capture.Join(new CUstream(stream.Value));
                if (_captures.TryAdd(stream.Value, capture))
                {
                    NoteRecordOf(stream, capture);
                }
            }
        }
    }

    private void NoteRecordOf(aios_stream stream, CudaCapture capture)
    {
        CudaStream known = _streams[stream.Value];
        known.WasCaptured = true;
        capture.Records.Add(known.Record);
    }

    private void ForgetEvent(aios_event destroyed)
    {
        if (_capturing > 0)
        {
            lock (_captureGate)
            {
                _captured.Remove(destroyed.Value);
            }
        }
    }
}
