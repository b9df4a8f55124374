using AiOs.Runtime;
using AiOs.Tensors;
using AiOs.Training.Modules;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Generation;

/// <summary>
/// Continues a sequence of tokens with a <see cref="Gpt"/>. Keys and values of earlier positions are kept; when the
/// model's positions are used up, the newer half of the context is read again from position 0 and the rest forgotten.
/// </summary>
public sealed class Generator : IDisposable
{
    private readonly Gpt _model;
    private readonly Stream _stream;
    private readonly KeyValueCache _cache;
    private readonly Tape _tape;
    private readonly float[] _logits;

    /// <summary>Makes a generator of a model that stays the caller's.</summary>
    public Generator(Gpt model, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _stream) = (model, stream);
        _cache = new KeyValueCache(stream, model.Config, model.DType);
        _tape = new Tape(stream, recording: false);
        _logits = new float[model.Config.Vocab];
    }

    /// <summary>Generates tokens as they are asked for; one sequence at a time.</summary>
    /// <param name="prompt">At least one token; of a prompt longer than the context the end counts.</param>
    /// <param name="maxTokens">How many tokens to generate at most.</param>
    /// <param name="options">How they are chosen.</param>
    /// <param name="stop">A token that ends the text and is not returned; null for none.</param>
    /// <exception cref="AiOsException">
    /// The prompt is empty or has an id the model does not know, or an option is out of range.
    /// </exception>
    public IEnumerable<int> Generate(IReadOnlyList<int> prompt, int maxTokens, SamplingOptions options, int? stop = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Count == 0)
        {
            throw new AiOsException("the prompt is empty; give at least one character with --prompt");
        }

        foreach (int id in prompt)
        {
            if (id < 0 || id >= _model.Config.Vocab)
            {
                throw new AiOsException(
                    $"token {id} of the prompt is not below the model's vocabulary of {_model.Config.Vocab}; use the tokenizer the model was trained with");
            }
        }

        return Continue([.. prompt], maxTokens, new Sampler(options), stop);
    }

    /// <summary>Frees the cache.</summary>
    public void Dispose()
    {
        _tape.Dispose();
        _cache.Dispose();
    }

    private IEnumerable<int> Continue(List<int> context, int maxTokens, Sampler sampler, int? stop)
    {
        int block = _model.Config.Block;
        context.RemoveRange(0, Math.Max(0, context.Count - block));
        _cache.Clear();
        int unread = context.Count;
        for (int number = 0; number < maxTokens; number++)
        {
            if (_cache.Length + unread > block)
            {
                int kept = Math.Max(1, block / 2);
                context.RemoveRange(0, context.Count - kept);
                _cache.Clear();
                unread = kept;
            }

            Read(context.GetRange(context.Count - unread, unread));
            int next = sampler.Sample(_logits, number);
            if (next == stop)
            {
                yield break;
            }

            yield return next;
            context.Add(next);
            unread = 1;
        }
    }

    /// <summary>Gives the next tokens to the model and leaves the scores of what follows them.</summary>
    private void Read(List<int> tokens)
    {
        bool training = _model.Training;
        _model.Training = false;
        using Tensor ids = Tensor.From<int>(_stream, tokens.ToArray(), 1, tokens.Count);
        Ops.Cast(_tape, _model.Forward(_tape, ids, _cache), DType.F32).CopyTo<float>(_logits, _stream);
        _tape.Reset();
        _model.Training = training;
    }
}
