using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace AiOs.Cli.Options;

/// <summary>
/// Makes options that know their range and say in one line what is wrong with a value. An option that was not given is
/// null, so that a command can tell "not given" from "given with the default value".
/// </summary>
internal static class OptionFactory
{
    /// <summary>A whole number from <paramref name="minimum"/> to <paramref name="maximum"/>.</summary>
    public static Option<long?> Whole(string name, string description, long minimum, long maximum, string? defaultText = null) =>
        Parsed<long?>(name, "N", description, defaultText, token =>
            long.TryParse(token, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) && value >= minimum && value <= maximum
                ? value
                : null,
            string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}"));

    /// <summary>A number from <paramref name="minimum"/> to <paramref name="maximum"/>; below the maximum when it is exclusive.</summary>
    public static Option<double?> Number(
        string name, string description, double minimum, double maximum, bool exclusive = false, string? defaultText = null) =>
        Parsed<double?>(name, "X", description, defaultText, token =>
            double.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && value >= minimum && (exclusive ? value < maximum : value <= maximum)
                ? value
                : null,
            string.Create(CultureInfo.InvariantCulture, $"a number from {minimum} {(exclusive ? "to below" : "to")} {maximum}"));

    /// <summary>One of a few words.</summary>
    public static Option<string?> Word(string name, string description, IReadOnlyList<string> words, string? defaultText = null) =>
        Parsed<string?>(name, string.Join('|', words), description, defaultText, token => words.Contains(token) ? token : null,
            "one of " + string.Join(", ", words));

    /// <summary>Free text, such as a path.</summary>
    public static Option<string?> Text(string name, string helpName, string description, string? defaultText = null) =>
        Parsed<string?>(name, helpName, description, defaultText, token => token.Length > 0 ? token : null, helpName + ", which cannot be empty");

    private static Option<T> Parsed<T>(
        string name, string helpName, string description, string? defaultText, Func<string, T?> parse, string expected) =>
        new(name)
        {
            HelpName = helpName,
            Description = defaultText is null ? description : $"{description} [default: {defaultText}]",
            CustomParser = (ArgumentResult result) =>
            {
                string token = result.Tokens[^1].Value;
                T? value = parse(token);
                if (value is null)
                {
                    result.AddError($"{name} {token}: expected {expected}");
                }

                return value;
            },
        };
}
