using System.Globalization;

namespace AiOs.Bench.Families;

/// <summary>Reads shapes.</summary>
internal static class ShapeText
{
    /// <summary>The shapes of <c>--shapes</c>: a file with one per line, or a list separated by semicolons.</summary>
    public static IReadOnlyList<string> Split(string text)
    {
        string[] shapes = File.Exists(text)
            ? [.. File.ReadLines(text).Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0)]
            : text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return shapes.Length > 0
            ? shapes
            : throw new BenchInputException($"--shapes {text}: there is no shape in it");
    }
}

/// <summary>A shape that was read.</summary>
/// <param name="Extents">Its numbers.</param>
/// <param name="Word">The word behind them; the first one allowed when there was none, empty when none is allowed.</param>
internal sealed record BenchShape(long[] Extents, string Word);

/// <summary>How shapes of a benchmark are written: whole numbers from 1 with commas between them.</summary>
/// <param name="Form">For people, such as <c>m,n,k[,nn|nt]</c>.</param>
/// <param name="Count">How many numbers.</param>
/// <param name="Words">Words of which one may follow; without one it is the first.</param>
internal sealed record ShapeSyntax(string Form, int Count, params string[] Words)
{
    private const long Largest = 1L << 31;

    /// <summary>Reads a shape.</summary>
    /// <exception cref="BenchInputException">It is written otherwise.</exception>
    public BenchShape Parse(string shape)
    {
        string[] parts = shape.Split(',', StringSplitOptions.TrimEntries);
        bool worded = parts.Length == Count + 1 && Words.Contains(parts[^1]);
        bool valid = parts.Length == Count || worded;
        long[] extents = new long[Count];
        for (int i = 0; valid && i < Count; i++)
        {
            valid = long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out extents[i]) && extents[i] is >= 1 and < Largest;
        }

        return valid
            ? new BenchShape(extents, worded ? parts[^1] : Words.FirstOrDefault(string.Empty))
            : throw new BenchInputException($"--shapes {shape}: expected {Form} with whole numbers from 1, or a file with one such shape per line");
    }
}
