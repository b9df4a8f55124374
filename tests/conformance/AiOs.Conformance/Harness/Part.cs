using System.Globalization;

namespace AiOs.Conformance.Harness;

/// <summary>
/// AIOS_CONFORMANCE_PART=2/3 leaves every third case of each group, from the second on: runs that differ in their seeds only
/// share the cases among them, where one run of all takes a simulator long.
/// </summary>
internal static class Part
{
    private const string Variable = "AIOS_CONFORMANCE_PART";

    private static readonly (int Number, int Count) s_part = Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Whether a case of a group is run, by its place in the group.</summary>
    public static bool Has(int index) => index % s_part.Count == s_part.Number - 1;

    private static (int Number, int Count) Parse(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return (1, 1);
        }

        string[] halves = text.Split('/');
        return halves.Length == 2 && int.TryParse(halves[0], NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && int.TryParse(halves[1], NumberStyles.None, CultureInfo.InvariantCulture, out int count) && number >= 1 && number <= count
            ? (number, count)
            : throw new FormatException($"{Variable} is '{text}'; it must be a number and a count, such as 2/3");
    }
}
