namespace AiOs.InteropGen.Clang;

/// <summary>A line of a comment that is for the generator, such as <c>\reads a[n], b[n]</c>.</summary>
/// <param name="Name">What follows the backslash.</param>
/// <param name="Text">The rest, with the lines that continue it.</param>
public readonly record struct CommentCommand(string Name, string Text)
{
    /// <summary>Takes the commands out of a comment. A line that ends with a comma is continued by the next.</summary>
    /// <param name="comment">Paragraphs of lines.</param>
    /// <param name="commands">Receives the commands in order.</param>
    /// <returns>The paragraphs without them.</returns>
    public static IReadOnlyList<string[]> Split(IReadOnlyList<string[]> comment, out IReadOnlyList<CommentCommand> commands)
    {
        var found = new List<CommentCommand>();
        var rest = new List<string[]>();
        foreach (string[] paragraph in comment)
        {
            var text = new List<string>();
            bool isContinued = false;
            foreach (string line in paragraph)
            {
                if (line.StartsWith('\\'))
                {
                    int space = line.IndexOf(' ', StringComparison.Ordinal);
                    found.Add(space < 0 ? new CommentCommand(line[1..], "") : new CommentCommand(line[1..space], line[(space + 1)..].Trim()));
                }
                else if (isContinued)
                {
                    found[^1] = found[^1] with { Text = $"{found[^1].Text} {line}" };
                }
                else
                {
                    text.Add(line);
                    continue;
                }

                isContinued = line.EndsWith(',');
            }

            if (text.Count > 0)
            {
                rest.Add([.. text]);
            }
        }

        commands = found;
        return rest;
    }
}
