using AiOs.Runtime;
using AiOs.Tensors;

namespace AiOs.Training.Generation;

/// <summary>Chooses tokens by their logits. A choice depends on the logits, the options and its number alone.</summary>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private float[] _scores = [];
    private int[] _ids = [];
    private double[] _weights = [];

    /// <summary>Makes a sampler.</summary>
    /// <exception cref="AiOsException">An option is out of range.</exception>
    public Sampler(SamplingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">One score per token, at least one.</param>
    /// <param name="number">Which choice this is; each number has its own random value.</param>
    /// <exception cref="AiOsException">A logit is not a number: the model is broken.</exception>
    public int Sample(ReadOnlySpan<float> logits, long number)
    {
        ArgumentOutOfRangeException.ThrowIfZero(logits.Length, nameof(logits));
        int likeliest = Likeliest(logits);
        if (_options.Temperature == 0 || _options.TopK == 1)
        {
            return likeliest;
        }

        int count = ListCandidates(logits);
        double sum = 0;
        for (int i = 0; i < count; i++)
        {
            sum += _weights[i] = Math.Exp((logits[_ids[i]] - (double)logits[likeliest]) / _options.Temperature);
        }

        (count, sum) = Nucleus(count, sum);
        double point = Uniform(number) * sum;
        for (int i = 0; i < count; i++)
        {
            point -= _weights[i];
            if (point < 0)
            {
                return _ids[i];
            }
        }

        // Only rounding gets here.
        return likeliest;
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (float.IsNaN(logits[i]))
            {
                throw new AiOsException($"the score of token {i} is not a number; the model's weights are broken, use another checkpoint");
            }

            best = logits[i] > logits[best] ? i : best;
        }

        return best;
    }

    /// <summary>Lists the ids to choose from: likeliest first, equals by id, when not all of them stay.</summary>
    private int ListCandidates(ReadOnlySpan<float> logits)
    {
        if (_ids.Length != logits.Length)
        {
            (_scores, _ids, _weights) = (new float[logits.Length], new int[logits.Length], new double[logits.Length]);
        }

        for (int i = 0; i < _ids.Length; i++)
        {
            _ids[i] = i;
        }

        if (_options.TopK > 0 || _options.TopP < 1)
        {
            float[] scores = _scores;
            logits.CopyTo(scores);
            Array.Sort(_ids, (a, b) => scores[b] != scores[a] ? scores[b].CompareTo(scores[a]) : a.CompareTo(b));
        }

        return _options.TopK > 0 ? Math.Min(_options.TopK, logits.Length) : logits.Length;
    }

    private (int Count, double Sum) Nucleus(int count, double sum)
    {
        if (_options.TopP >= 1)
        {
            return (count, sum);
        }

        double held = 0;
        for (int i = 0; i < count; i++)
        {
            held += _weights[i];
            if (held >= _options.TopP * sum)
            {
                return (i + 1, held);
            }
        }

        return (count, held);
    }

    private double Uniform(long number)
    {
        (uint a, uint b, _, _) = Philox.Next(_options.Seed, (ulong)number, 0);
        return ((((ulong)a << 32) | b) >> 11) * (1.0 / (1UL << 53));
    }
}
