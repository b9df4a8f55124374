using System.Text;

namespace AiOs.InteropGen.Clang;

/// <summary>
/// Takes documentation comments from the source text. clang says where a declaration's comment begins; its own parse of
/// the comment is not used, because it treats some characters as markup and differs between versions.
/// </summary>
/// <param name="directory">Directory that relative paths start from.</param>
public sealed class CommentReader(string directory)
{
    private readonly Dictionary<string, byte[]> _files = [];

    /// <summary>The paragraphs of a declaration's comment, each a list of lines; empty when it has none.</summary>
    /// <param name="node">The declaration.</param>
    public IReadOnlyList<string[]> Read(AstNode node)
    {
        AstNode? comment = node.Children.FirstOrDefault(child => child.Kind == "FullComment");
        if (comment is null)
        {
            return [];
        }

        SourceLocation begin = comment.Begin;
        if (!_files.TryGetValue(begin.File, out byte[]? bytes))
        {
            _files[begin.File] = bytes = File.ReadAllBytes(Path.Combine(directory, begin.File));
        }

        string text = Encoding.UTF8.GetString(bytes.AsSpan(begin.Offset));
        bool isLine = Encoding.UTF8.GetString(bytes.AsSpan(0, begin.Offset)).TrimEnd('<', '!') is var before
            && before.EndsWith("//", StringComparison.Ordinal);
        string[] lines = isLine
            ? [.. text.Split('\n').Select((line, i) => (Line: line.Trim(), Index: i))
                .TakeWhile(l => l.Index == 0 || l.Line.StartsWith("///", StringComparison.Ordinal))
                .Select(l => l.Index == 0 ? l.Line : l.Line[3..])]
            : text[..text.IndexOf("*/", StringComparison.Ordinal)].Split('\n');
        return Paragraphs(lines.Select(line => line.Trim().TrimStart('*').Trim()));
    }

    private static List<string[]> Paragraphs(IEnumerable<string> lines)
    {
        var paragraphs = new List<string[]>();
        var current = new List<string>();
        foreach (string line in lines.Append(""))
        {
            if (line.Length > 0)
            {
                current.Add(line);
            }
            else if (current.Count > 0)
            {
                paragraphs.Add([.. current]);
                current.Clear();
            }
        }

        return paragraphs;
    }
}
