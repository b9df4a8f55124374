using System.Globalization;

namespace AiOs.Runtime;

/// <summary>
/// Checks of what a program does with device memory, for tests and for finding errors: each costs time. The environment
/// variable AIOS_MEMORY_CHECKS turns them on from outside, as a list such as <c>poison,red-zones=512,validate</c>.
/// </summary>
public sealed record MemoryChecks
{
    /// <summary>Name of the environment variable.</summary>
    internal const string Variable = "AIOS_MEMORY_CHECKS";

    private const int MostRedZoneBytes = 1 << 30;

    /// <summary>Sets every byte of freed blocks to 0xFF, a NaN in every floating-point type (<c>poison</c>).</summary>
    public bool PoisonFreed { get; init; }

    /// <summary>
    /// Bytes of the zones around every block, 1 to 1 GiB and rounded up to 512, that are looked at when it is freed; null for
    /// none (<c>red-zones=512</c>). Every free waits for the block's stream.
    /// </summary>
    public int? RedZoneBytes
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value ?? 1, 1, nameof(RedZoneBytes));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value ?? 1, MostRedZoneBytes, nameof(RedZoneBytes));
            field = value;
        }
    }

    /// <summary>Number of an allocation, counted from 1, that fails as if memory had run out (<c>fail=100</c>).</summary>
    public long? FailAllocation { get; init; }

    /// <summary>Draws the places of blocks from this seed, so that accesses outside them meet others (<c>placement=7</c>).</summary>
    public int? PlacementSeed { get; init; }

    /// <summary>Walks all structures of the allocator after every operation (<c>validate</c>).</summary>
    public bool Validate { get; init; }

    /// <summary>What the environment asks for.</summary>
    /// <exception cref="AiOsException">The variable has a word that is not known, or a number that is none.</exception>
    public static MemoryChecks FromEnvironment() => Parse(Environment.GetEnvironmentVariable(Variable) ?? "");

    /// <summary>Reads a list such as <c>poison,red-zones=512,fail=100,placement=7,validate</c>.</summary>
    /// <param name="text">The list; empty for no checks.</param>
    /// <exception cref="AiOsException">It has a word that is not known, or a number that is none.</exception>
    public static MemoryChecks Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var checks = new MemoryChecks();
        foreach (string word in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? word : word[..equals];
            bool isNumber = int.TryParse(equals < 0 ? "" : word[(equals + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int number);
            checks = (name, equals >= 0, isNumber) switch
            {
                ("poison", false, _) => checks with { PoisonFreed = true },
                ("validate", false, _) => checks with { Validate = true },
                ("red-zones", true, true) when number is > 0 and <= MostRedZoneBytes => checks with { RedZoneBytes = number },
                ("fail", true, true) when number > 0 => checks with { FailAllocation = number },
                ("placement", true, true) => checks with { PlacementSeed = number },
                _ => throw new AiOsException(
                    $"{Variable}: '{word}' is no check; use poison, red-zones=BYTES (up to 1 GiB), fail=NUMBER, placement=SEED and validate, with commas between"),
            };
        }

        return checks;
    }
}
