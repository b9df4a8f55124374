namespace AiOs.Bench.Memory;

/// <summary>
/// A made-up trace of a server that answers requests of random lengths with a model of 12 layers and width 768, F32:
/// weights that stay, per request a key and a value cache of each layer that grow by half when they are full (the old
/// one is freed after the new one was filled), and per step the activations of what is computed together.
/// </summary>
internal static class InferenceTrace
{
    private const int Layers = 12, Width = 768, Vocabulary = 50257, Element = 4;
    private const int Together = 16, Requests = 200;

    public static AllocationTrace Create(int seed = 1)
    {
        var trace = new AllocationTrace("inference");
        var random = new Random(seed);
        trace.Allocate((long)Vocabulary * Width * Element);
        for (int layer = 0; layer < Layers; layer++)
        {
            foreach (int matrices in (int[])[3, 1, 4, 4])
            {
                trace.Allocate((long)matrices * Width * Width * Element);
                trace.Allocate((long)matrices * Width * Element);
            }
        }

        var running = new List<Request>();
        for (int started = 0; started < Requests || running.Count > 0;)
        {
            while (started < Requests && running.Count < Together)
            {
                var request = new Request(trace, Length(random, 16, 1500), Length(random, 8, 400));
                Compute(trace, request.Prompt, 1);
                running.Add(request);
                started++;
            }

            Compute(trace, running.Count, running.Count);
            running.RemoveAll(request => request.Generate(trace));
        }

        return trace;
    }

    /// <summary>A length whose logarithm is evenly spread.</summary>
    private static int Length(Random random, int least, int most) =>
        (int)(least * Math.Pow((double)most / least, random.NextDouble()));

    /// <summary>The activations of one pass over some tokens, and the logits of the last ones.</summary>
    private static void Compute(AllocationTrace trace, int tokens, int last)
    {
        long row = (long)tokens * Width * Element;
        int x = trace.Allocate(row);
        for (int layer = 0; layer < Layers; layer++)
        {
            int norm = trace.Allocate(row), qkv = trace.Allocate(3 * row);
            trace.Free(norm);
            int mixed = trace.Allocate(row);
            trace.Free(qkv);
            int sum = trace.Allocate(row);
            trace.Free(mixed);
            trace.Free(x);
            norm = trace.Allocate(row);
            int up = trace.Allocate(4 * row);
            trace.Free(norm);
            x = trace.Allocate(row);
            trace.Free(up);
            trace.Free(sum);
        }

        int logits = trace.Allocate((long)last * Vocabulary * Element);
        trace.Free(x);
        trace.Free(logits);
    }

    private sealed class Request
    {
        private readonly int[] _caches = new int[2 * Layers];
        private int _capacity;
        private int _length;
        private int _remaining;

        public Request(AllocationTrace trace, int prompt, int answer)
        {
            Prompt = prompt;
            _length = prompt;
            _capacity = prompt + prompt / 2;
            _remaining = answer;
            for (int i = 0; i < _caches.Length; i++)
            {
                _caches[i] = trace.Allocate((long)_capacity * Width * Element);
            }
        }

        public int Prompt { get; }

        /// <summary>One more token; true when it was the last.</summary>
        public bool Generate(AllocationTrace trace)
        {
            _length++;
            bool done = --_remaining == 0;
            bool grows = !done && _length > _capacity;
            _capacity += grows ? _capacity / 2 : 0;
            for (int i = 0; i < _caches.Length && (done || grows); i++)
            {
                int old = _caches[i];
                _caches[i] = grows ? trace.Allocate((long)_capacity * Width * Element) : -1;
                trace.Free(old);
            }

            return done;
        }
    }
}
