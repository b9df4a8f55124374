using System.Globalization;
using System.Text.RegularExpressions;

namespace AiOs.InteropGen.Clang;

/// <summary>The declarations of one header and of everything it includes.</summary>
public sealed partial class HeaderReader
{
    /// <summary>Stands for an unnamed record in the type of the field that it is declared with.</summary>
    public const string InlineTag = "struct __inline";

    private readonly CommentReader _comments;
    private readonly Dictionary<string, Declaration> _byId = [];

    private HeaderReader(string directory) => _comments = new CommentReader(directory);

    /// <summary>The files of the declarations: one that another includes at its top stands before it.</summary>
    public List<string> Files { get; } = [];

    /// <summary>Functions by name.</summary>
    public Dictionary<string, FunctionDeclaration> Functions { get; } = [];

    /// <summary>Records and enums by tag, such as <c>struct point</c>.</summary>
    public Dictionary<string, Declaration> Tags { get; } = [];

    /// <summary>Typedefs by name.</summary>
    public Dictionary<string, TypedefDeclaration> Typedefs { get; } = [];

    /// <summary>All enums in source order, named or not.</summary>
    public List<EnumDeclaration> Enums { get; } = [];

    /// <summary>Macros with a replacement and without parameters, in source order.</summary>
    public Dictionary<string, MacroDeclaration> Macros { get; private init; } = [];

    /// <summary>
    /// Functions' names as users write them, by symbol: <c>#define cuFoo cuFoo_v2</c> makes cuFoo the name and cuFoo_v2
    /// the symbol. The first macro counts.
    /// </summary>
    public Dictionary<string, string> Aliases { get; } = [];

    /// <summary>The macros that only give a function its other name.</summary>
    public HashSet<string> AliasMacros { get; } = [];

    /// <summary>Parses a header.</summary>
    /// <param name="compiler">The compiler to parse with.</param>
    /// <param name="options">The header and its include paths.</param>
    /// <exception cref="GenerationException">The header is missing or has errors.</exception>
    public static HeaderReader Read(ClangCompiler compiler, HeaderOptions options)
    {
        if (!File.Exists(Path.Combine(compiler.Directory, options.Header)))
        {
            throw new GenerationException($"{options.Header}: no such file; correct \"header\" in the manifest");
        }

        ClangResult result = compiler.DumpAst(options, options.Header);
        if (result.ExitCode != 0)
        {
            throw new GenerationException(result.FirstError);
        }

        var reader = new HeaderReader(compiler.Directory) { Macros = MacroReader.Read(compiler, options) };
        foreach (AstNode node in AstNode.Read(result.Output).Children)
        {
            reader.Add(node);
        }

        reader.FindAliases(compiler, options);
        return reader;
    }

    // The replacement may itself be a macro, as in `#define cuFoo API_PER_THREAD(cuFoo_v2)`.
    private void FindAliases(ClangCompiler compiler, HeaderOptions options)
    {
        MacroDeclaration[] candidates = [.. Macros.Values.Where(macro => Call().Match(macro.Replacement) is { Success: true } call
            && (Functions.ContainsKey(call.Groups[1].Value) || Functions.ContainsKey(call.Groups[2].Value)))];
        foreach ((MacroDeclaration macro, string name) in MacroReader.Expand(compiler, options, candidates))
        {
            if (Functions.ContainsKey(name))
            {
                Aliases.TryAdd(name, macro.Name);
                AliasMacros.Add(macro.Name);
            }
        }
    }

    private void Add(AstNode node)
    {
        if (node.Location.File is { Length: > 0 } file && !Files.Contains(file))
        {
            Files.Add(file);
        }

        switch (node.Kind)
        {
            case "FunctionDecl":
                if (!Functions.TryGetValue(node.Name, out FunctionDeclaration? known) || known.Comment.Count == 0)
                {
                    Functions[node.Name] = ReadFunction(node);
                }

                break;
            case "RecordDecl":
                AddTag(node, node.Text("tagUsed"), ReadRecord(node));
                break;
            case "EnumDecl":
                EnumDeclaration declaration = ReadEnum(node);
                Enums.Add(declaration);
                AddTag(node, "enum", declaration);
                break;
            case "TypedefDecl" when node.Location.File is { Length: > 0 }:
                Typedefs[node.Name] = ReadTypedef(node);
                break;
            case "LinkageSpecDecl" or "CXXRecordDecl" or "NamespaceDecl":
                throw new GenerationException(node.Location, $"a C header cannot hold a {node.Kind}");
        }
    }

    private void AddTag(AstNode node, string tag, Declaration declaration)
    {
        _byId[node.Text("id")] = declaration;
        if (node.Name.Length > 0 && (declaration is not RecordDeclaration { IsComplete: false } || !Tags.ContainsKey($"{tag} {node.Name}")))
        {
            Tags[$"{tag} {node.Name}"] = declaration;
        }
    }

    private FunctionDeclaration ReadFunction(AstNode node)
    {
        // A function that is declared through a typedef has no prototype to read.
        NativeType type = TypeParser.Parse(node.Type);
        AstNode[] parameters = [.. node.Children.Where(child => child.Kind == "ParmVarDecl")];
        return new FunctionDeclaration(
            node.Name, node.Location, _comments.Read(node), (type as CFunction)?.Result ?? new CUnknown(node.Type),
            [.. parameters.Select(p => new ParameterDeclaration(p.Name, TypeParser.Parse(p.Type)))],
            node.Flag("variadic"),
            node.Text("storageClass") != "static" && !node.Children.Any(child => child.Kind == "CompoundStmt"));
    }

    private RecordDeclaration ReadRecord(AstNode node)
    {
        var fields = new List<FieldDeclaration>();
        RecordDeclaration? inline = null;
        foreach (AstNode child in node.Children)
        {
            if (child.Kind is "RecordDecl")
            {
                inline = ReadRecord(child);
                AddTag(child, child.Text("tagUsed"), inline);
            }
            else if (child.Kind is "EnumDecl")
            {
                Add(child);
            }
            else if (child.Kind is "FieldDecl")
            {
                string spelling = UnnamedRecord().Replace(child.Type, InlineTag);
                bool isInline = spelling != child.Type;
                fields.Add(new FieldDeclaration(
                    child.Name, child.Location, _comments.Read(child),
                    isInline && inline is not { Name: "" } ? new CUnknown(child.Type) : TypeParser.Parse(spelling),
                    isInline ? inline : null, Bits(child)));
            }
        }

        return new RecordDeclaration(
            node.Name, node.Location, _comments.Read(node), node.Text("tagUsed"), node.Flag("completeDefinition"), fields);
    }

    private static int? Bits(AstNode field) => field.Flag("isBitfield")
        ? int.Parse(field.Children.First(child => child.Kind == "ConstantExpr").Text("value"), CultureInfo.InvariantCulture)
        : null;

    private EnumDeclaration ReadEnum(AstNode node)
    {
        IReadOnlyList<string[]> comment = _comments.Read(node);
        EnumConstantDeclaration[] constants =
        [
            .. node.Children.Where(child => child.Kind == "EnumConstantDecl")
                .Select(child => new EnumConstantDeclaration(child.Name, child.Location, _comments.Read(child))),
        ];

        // The comment of `enum { LIMIT = 8 };` is about the constant.
        if (node.Name.Length == 0 && constants is [{ Comment.Count: 0 } only])
        {
            constants = [only with { Comment = comment }];
        }

        return new EnumDeclaration(node.Name, node.Location, comment, constants);
    }

    private TypedefDeclaration ReadTypedef(AstNode node)
    {
        AstNode? owner = node.Children.FirstOrDefault(child => child.Reference("ownedTagDecl").Length > 0)
            ?? node.Children.FirstOrDefault(child => child.Reference("decl").Length > 0);
        string id = owner is null ? "" : owner.Reference(owner.Reference("ownedTagDecl").Length > 0 ? "ownedTagDecl" : "decl");
        string spelling = UnnamedRecord().Replace(node.Type, InlineTag);
        return new TypedefDeclaration(
            node.Name, node.Location, _comments.Read(node), TypeParser.Parse(spelling), _byId.GetValueOrDefault(id));
    }

    [GeneratedRegex(@"^(\w+)(?:\((\w+)\))?$")]
    private static partial Regex Call();

    // clang names an unnamed record after its place; the wording differs between its versions.
    [GeneratedRegex(@"(struct|union|enum) [^ ]*\(?(unnamed|anonymous).*?:\d+:\d+\)")]
    private static partial Regex UnnamedRecord();
}
