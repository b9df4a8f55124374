using System.Globalization;

namespace AiOs.Conformance.Harness;

/// <summary>
/// AIOS_CONFORMANCE_PART=2/3 leaves every third case of each group, from the second on: runs that differ in their seeds only
/// share the cases among them, where one run of all takes a simulator long.
/// </summary>
/// <param name="Number">Which part, from 1 on.</param>
/// <param name="Count">How many parts there are.</param>
internal readonly record struct Part(int Number, int Count)
{
    private const string Variable = "AIOS_CONFORMANCE_PART";

    /// <summary>What the environment asks for; without a word from it, all cases.</summary>
    public static Part Wanted { get; } = Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Reads a part.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static Part Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return new Part(1, 1);
        }

        string[] halves = text.Split('/');
        return halves.Length == 2 && int.TryParse(halves[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && int.TryParse(halves[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count) && number >= 1 && number <= count
            ? new Part(number, count)
            : throw new FormatException($"{Variable} is '{text}'; it must be a number and a count, such as 2/3");
    }

    /// <summary>Whether a case of a group is run, by its place in the group.</summary>
    public bool Has(int index) => index % Count == Number - 1;
}
