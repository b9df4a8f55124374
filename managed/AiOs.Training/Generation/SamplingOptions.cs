using AiOs.Runtime;

namespace AiOs.Training.Generation;

/// <summary>How the next token is chosen.</summary>
public sealed record SamplingOptions
{
    /// <summary>Divides the logits; 0 takes the likeliest token always.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Chooses among this many likeliest tokens only; 0 for all.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Chooses among the fewest likeliest tokens that have this probability together (Holtzman et al.,
    /// arXiv:1904.09751); 1 for all.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>Decides all random choices.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Refuses values that mean nothing.</summary>
    /// <exception cref="AiOsException">A value is out of range.</exception>
    public void Validate()
    {
        if (!(Temperature >= 0 && double.IsFinite(Temperature)))
        {
            throw new AiOsException($"--temperature {Temperature} makes no sense; use 0 for the likeliest token or a number such as 0.8");
        }

        if (TopK < 0)
        {
            throw new AiOsException($"--top-k {TopK} makes no sense; use 0 for all tokens or a number such as 40");
        }

        if (!(TopP > 0 && TopP <= 1))
        {
            throw new AiOsException($"--top-p {TopP} is no probability above 0; use 1 for all tokens or a number such as 0.9");
        }
    }
}
