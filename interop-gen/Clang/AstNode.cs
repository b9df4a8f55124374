using System.Text.Json;

namespace AiOs.InteropGen.Clang;

/// <summary>A node of clang's syntax tree together with its place.</summary>
public sealed class AstNode
{
    private readonly JsonElement _element;
    private readonly List<AstNode> _children = [];

    private AstNode(JsonElement element) => _element = element;

    /// <summary>Kind, such as <c>FunctionDecl</c>.</summary>
    public string Kind => Text("kind");

    /// <summary>Name, or empty.</summary>
    public string Name => Text("name");

    /// <summary>Where the declaration's name stands.</summary>
    public SourceLocation Location { get; private set; }

    /// <summary>Where the node begins.</summary>
    public SourceLocation Begin { get; private set; }

    /// <summary>The nodes below this one, in source order.</summary>
    public IReadOnlyList<AstNode> Children => _children;

    /// <summary>The node's type as clang spells it, or empty.</summary>
    public string Type => _element.TryGetProperty("type", out JsonElement type) ? type.GetProperty("qualType").GetString()! : "";

    /// <summary>Reads a dump.</summary>
    /// <param name="json">What clang wrote.</param>
    /// <returns>The translation unit.</returns>
    public static AstNode Read(byte[] json)
    {
        // Types nest deeply in headers with long expressions.
        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 4096 });
        return new Reader().Read(document.RootElement.Clone());
    }

    /// <summary>A property that is text, or empty.</summary>
    public string Text(string property) =>
        _element.TryGetProperty(property, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    /// <summary>A property that is true or false; false when it is missing.</summary>
    public bool Flag(string property) => _element.TryGetProperty(property, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    /// <summary>The identity of the node that a property refers to, or empty.</summary>
    public string Reference(string property) =>
        _element.TryGetProperty(property, out JsonElement value) ? value.GetProperty("id").GetString()! : "";

    /// <summary>This node and everything below it.</summary>
    public IEnumerable<AstNode> Descend() => _children.SelectMany(child => child.Descend()).Prepend(this);

    /// <summary>
    /// Builds the nodes. Clang writes the file of a place only when it differs from the place written before, and the
    /// line likewise, so that places make sense only in the order of the whole document.
    /// </summary>
    private sealed class Reader
    {
        private string _file = "";
        private int _line;

        public AstNode Read(JsonElement element)
        {
            var node = new AstNode(element);
            foreach (JsonProperty property in element.EnumerateObject())
            {
                switch (property.Name)
                {
                    case "loc":
                        node.Location = ReadLocation(property.Value);
                        break;
                    case "range":
                        node.Begin = ReadLocation(property.Value.GetProperty("begin"));
                        ReadLocation(property.Value.GetProperty("end"));
                        break;
                    case "inner":
                        node._children.AddRange(property.Value.EnumerateArray()
                            .Where(child => child.TryGetProperty("kind", out _)).Select(Read));
                        break;
                }
            }

            return node;
        }

        private SourceLocation ReadLocation(JsonElement location)
        {
            if (location.TryGetProperty("spellingLoc", out JsonElement spelling))
            {
                ReadLocation(spelling);
                return ReadLocation(location.GetProperty("expansionLoc"));
            }

            if (location.TryGetProperty("file", out JsonElement file))
            {
                _file = file.GetString()!;
            }

            if (location.TryGetProperty("line", out JsonElement line))
            {
                _line = line.GetInt32();
            }

            return location.TryGetProperty("offset", out JsonElement offset)
                ? new SourceLocation(_file, _line, offset.GetInt32())
                : default;
        }
    }
}
