using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Training.Modules;

/// <summary>
/// The keys and values of the positions of one sequence that a <see cref="Gpt"/> has seen, so that the next position
/// costs one position's work.
/// </summary>
public sealed class KeyValueCache : IDisposable
{
    /// <summary>Makes an empty cache with room for all positions of a model.</summary>
    /// <param name="stream">The stream of the model.</param>
    /// <param name="config">The model's shape.</param>
    /// <param name="dtype">The model's type.</param>
    public KeyValueCache(Stream stream, GptConfig config, DType dtype = DType.F32)
    {
        ArgumentNullException.ThrowIfNull(config);
        Capacity = config.Block;
        Layers = [.. Enumerable.Range(0, config.Layers).Select(_ => new KeyValueLayer(this, stream, config, dtype))];
    }

    /// <summary>Positions there is room for.</summary>
    public int Capacity { get; }

    /// <summary>Positions held.</summary>
    public int Length { get; private set; }

    /// <summary>The cache of each block.</summary>
    internal KeyValueLayer[] Layers { get; }

    /// <summary>Forgets all positions.</summary>
    public void Clear() => Length = 0;

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (KeyValueLayer layer in Layers)
        {
            layer.Dispose();
        }
    }

    internal void Advance(long positions) => Length += (int)positions;
}
