using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace AiOs.Runtime.Tests;

/// <summary>The pickle as Python reads it, and as PyTorch's own tool does.</summary>
public sealed class SnapshotPickleTests
{
    private static readonly string? s_python = new[] { "/usr/bin/python3" }.FirstOrDefault(File.Exists);

    [Fact]
    public void Python_reads_what_was_written()
    {
        MemorySnapshot snapshot = MadeUpSnapshot.Random(7, 4000, 3500);
        JsonElement read = Load(snapshot, "print(json.dumps(data))");
        JsonElement[] segments = [.. read.GetProperty("segments").EnumerateArray()];
        Assert.Equal(snapshot.Segments.Select(s => (long)s.Address), segments.Select(s => s.GetProperty("address").GetInt64()));
        Assert.Equal(snapshot.Segments.Select(s => s.Bytes), segments.Select(s => s.GetProperty("total_size").GetInt64()));
        JsonElement[] blocks = [.. segments.SelectMany(s => s.GetProperty("blocks").EnumerateArray())];
        Assert.Equal(snapshot.Blocks.Count(), blocks.Length);
        foreach ((MemoryBlock block, JsonElement item) in snapshot.Blocks.Zip(blocks))
        {
            Assert.Equal((block.Address, block.Bytes), (item.GetProperty("address").GetInt64(), item.GetProperty("size").GetInt64()));
            Assert.Equal(block.State == MemoryBlockState.Free ? "inactive" : "active_allocated", item.GetProperty("state").GetString());
            Assert.Equal(block.Stack?.Frames.Length ?? 0, item.GetProperty("frames").GetArrayLength());
        }

        JsonElement trace = Assert.Single(read.GetProperty("device_traces").EnumerateArray());
        JsonElement[] events = [.. trace.EnumerateArray()];
        Assert.Equal(snapshot.History.Length + snapshot.History.Count(step => step.Action == MemoryAction.Free), events.Length);
        JsonElement first = events.First(e => e.GetProperty("action").GetString() == "alloc");
        MemoryEvent expected = snapshot.History.First(step => step.Action == MemoryAction.Allocate);
        Assert.Equal(expected.Time, first.GetProperty("time_us").GetInt64());
        Assert.Equal(expected.RequestedBytes, first.GetProperty("size").GetInt64());
        Assert.Equal("AiOs.Tensors.Ops." + expected.Stack!.Frames[0].Method, first.GetProperty("frames")[0].GetProperty("name").GetString());
        Assert.Equal(expected.Stack.Frames[0].Line, first.GetProperty("frames")[0].GetProperty("line").GetInt32());
    }

    /// <summary>What the page does: it goes back from the snapshot through the events and must find every block and segment.</summary>
    [Fact]
    public void The_events_lead_back_from_the_snapshot_as_the_page_goes()
    {
        const string Script = """
            live = {}
            mapped = set()
            for s in data['segments']:
                address = s['address']
                for b in s['blocks']:
                    if b['state'] != 'inactive': live[address] = b['requested_size']
                    address += b['size']
                assert address == s['address'] + s['total_size']
                mapped |= set(range(s['address'], address, 1 << 20))
            for e in reversed(data['device_traces'][0]):
                if e['action'] == 'alloc': assert live.pop(e['addr']) == e['size']
                elif e['action'] == 'free_completed': assert e['addr'] not in live; live[e['addr']] = e['size']
                elif e['action'] == 'free_requested': assert live[e['addr']] == e['size']
                elif e['action'] == 'segment_map': mapped.remove(e['addr'])
                elif e['action'] == 'segment_unmap': assert e['addr'] not in mapped; mapped.add(e['addr'])
                else: raise Exception(e['action'])
            print(json.dumps([len(live), len(mapped)]))
            """;
        JsonElement left = Load(MadeUpSnapshot.Random(8, 2000, int.MaxValue), Script);
        Assert.Equal((0, 0), (left[0].GetInt32(), left[1].GetInt32()));
    }

    [Fact]
    public void PyTorchs_tool_reads_it()
    {
        Assert.SkipWhen(s_python is null || !Directory.Exists("/usr/lib/python3/dist-packages/torch"), "python3-torch is not installed");
        const string Script = """
            import importlib.util
            spec = importlib.util.spec_from_file_location('viz', '/usr/lib/python3/dist-packages/torch/cuda/_memory_viz.py')
            viz = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(viz)
            stats = viz.stats(data['segments'])
            lines = viz.memory(data['segments'], format_flamegraph=lambda text: text)
            print(json.dumps([stats['segments'], stats['total_size'].value, stats['active_allocated'].value, lines.count('\n')]))
            """;
        MemorySnapshot snapshot = MadeUpSnapshot.Random(9, 1000, 1000);
        JsonElement read = Load(snapshot, Script);
        Assert.Equal(snapshot.Segments.Length, read[0].GetInt32());
        Assert.Equal(snapshot.ReservedBytes, read[1].GetInt64());
        Assert.Equal(snapshot.Blocks.Where(block => block.State == MemoryBlockState.Allocated).Sum(block => block.Bytes), read[2].GetInt64());
        Assert.Equal(snapshot.Blocks.Count(), read[3].GetInt32());
    }

    [Fact]
    public void Only_opcodes_that_the_page_knows_are_written_and_lists_come_in_small_batches()
    {
        const string Script = """
            import pickletools
            known = {'PROTO', 'EMPTY_DICT', 'MARK', 'SETITEMS', 'EMPTY_LIST', 'APPENDS', 'BINUNICODE', 'BININT', 'LONG1', 'LONG_BINPUT',
                     'LONG_BINGET', 'NEWTRUE', 'NEWFALSE', 'STOP'}
            used = {op.name for op, _, _ in pickletools.genops(raw)}
            batches = [0]
            for op, _, _ in pickletools.genops(raw):
                if op.name == 'MARK': batches.append(0)
                elif op.name in ('SETITEMS', 'APPENDS'): batches.pop(); batches[-1] += 0
                if op.name == 'EMPTY_DICT': batches[-1] += 1
                assert max(batches) <= 1100, batches
            print(json.dumps(sorted(used - known)))
            """;
        Assert.Empty(Load(MadeUpSnapshot.Random(10, 6000, 6000), Script).EnumerateArray());
    }

    [Fact]
    public void A_file_that_cannot_be_written_leaves_nothing_behind()
    {
        string folder = Directory.CreateTempSubdirectory("aios-snapshot-").FullName;
        try
        {
            MemorySnapshot snapshot = MadeUpSnapshot.Random(1, 50, 50);
            string taken = Path.Combine(folder, "taken");
            Directory.CreateDirectory(taken);
            Assert.ThrowsAny<IOException>(() => snapshot.WritePickle(Path.Combine(folder, "missing", "a.pickle")));
            Assert.ThrowsAny<SystemException>(() => snapshot.WriteHtml(taken));
            Assert.Equal([taken], Directory.GetFileSystemEntries(folder));
            string page = Path.Combine(folder, "page.html");
            File.WriteAllText(page, "old");
            snapshot.WriteHtml(page);
            Assert.StartsWith("<!doctype html>", File.ReadAllText(page), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    /// <summary>Loads the pickle in Python as <c>data</c> (and <c>raw</c>), runs a script there and returns the JSON it prints.</summary>
    private static JsonElement Load(MemorySnapshot snapshot, string script)
    {
        Assert.SkipWhen(s_python is null, "python3 is not installed");
        string file = Path.GetTempFileName();
        try
        {
            snapshot.WritePickle(file);
            var start = new ProcessStartInfo(s_python!) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add(string.Create(CultureInfo.InvariantCulture, $"import json, pickle\nraw = open('{file}', 'rb').read()\ndata = pickle.loads(raw)\n{script}"));
            using Process python = Process.Start(start)!;
            Task<string> errors = python.StandardError.ReadToEndAsync();
            string output = python.StandardOutput.ReadToEnd();
            python.WaitForExit();
            Assert.True(python.ExitCode == 0, errors.Result);
            return JsonDocument.Parse(output).RootElement;
        }
        finally
        {
            File.Delete(file);
        }
    }
}
