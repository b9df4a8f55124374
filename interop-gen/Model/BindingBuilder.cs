using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>Selects what a manifest asks for and gives it C# types.</summary>
public sealed class BindingBuilder
{
    private readonly Binding _binding;
    private readonly Manifest _manifest;
    private readonly HeaderReader _header;
    private readonly Evaluator _evaluator;
    private readonly TypeMapper _types;

    private BindingBuilder(Binding binding, Evaluator evaluator, IReadOnlyList<Binding> used)
    {
        _binding = binding;
        _manifest = binding.Manifest;
        _header = binding.Header;
        _evaluator = evaluator;
        _types = new TypeMapper(binding, used);
    }

    /// <summary>Builds the binding of one header.</summary>
    /// <param name="compiler">The compiler to read it with.</param>
    /// <param name="manifest">What to bind.</param>
    /// <param name="used">Bindings whose types may be used.</param>
    public static Binding Build(ClangCompiler compiler, Manifest manifest, IReadOnlyList<Binding> used)
    {
        var options = new HeaderOptions(manifest.Header, manifest.Include, manifest.Hosted, manifest.More);
        var builder = new BindingBuilder(
            new Binding(manifest, HeaderReader.Read(compiler, options)), new Evaluator(compiler, options), used);
        builder.AddHandles();
        builder.AddFunctions();
        builder.AddTypes();
        new ConstantBuilder(builder._binding, builder._evaluator, builder._types, builder.Owns).Build();
        new LayoutBuilder(builder._binding, used).Complete(builder._evaluator);
        builder.CheckNames();
        return builder._binding;
    }

    private bool Owns(Declaration declaration) => _manifest.Owns(declaration.Location.File);

    private IEnumerable<T> Owned<T>(IEnumerable<T> declarations) where T : Declaration => declarations.Where(Owns)
        .OrderBy(d => d.Location.File, StringComparer.Ordinal).ThenBy(d => d.Location.Offset);

    private void AddHandles()
    {
        foreach (string name in _manifest.Handles)
        {
            TypedefDeclaration typedef = _header.Typedefs.GetValueOrDefault(name)
                ?? throw new GenerationException($"{_manifest.Header}: there is no typedef '{name}'; correct \"handles\" in the manifest {_manifest.Name}");
            _types.Map(new CName(name, false), typedef.Location);
        }
    }

    private void AddFunctions()
    {
        foreach (FunctionDeclaration function in Owned(_header.Functions.Values))
        {
            string? field = _manifest.Symbols.Length > 0 ? UserName(function.Name) : _header.Aliases.GetValueOrDefault(function.Name, function.Name);
            field ??= function.IsExported && _manifest.Functions.Contains(function.Name) ? function.Name : null;
            if (field is null)
            {
                continue;
            }

            if (!_manifest.Selects(_manifest.Functions, field) && !_manifest.Functions.Contains(function.Name))
            {
                continue;
            }

            if (!function.IsExported)
            {
                throw new GenerationException(function.Location, $"'{function.Name}' has a body or is static, so no library exports it; exclude it in the manifest");
            }

            string convention = Manifest.Matches(_manifest.SuppressGCTransition, field) ? ", SuppressGCTransition" : "";
            string type = _types.FunctionPointer(
                convention, function.Result, [.. function.Parameters.Select(p => p.Type)], function.IsVariadic, function.Location);
            string[] types = [.. function.Parameters.Select(p => _types.Map(p.Type, function.Location))];
            string result = _types.Map(function.Result, function.Location);
            _binding.Functions.Add(new BoundFunction(field, function.Name, function, types, result, type, Manifest.Matches(_manifest.Optional, field)));
        }
    }

    // What the star of "symbols" stands for in a symbol, or null.
    private string? UserName(string symbol)
    {
        string[] around = _manifest.Symbols.Split('*', 2);
        return symbol.Length > around[0].Length + around[1].Length && symbol.StartsWith(around[0], StringComparison.Ordinal)
            && symbol.EndsWith(around[1], StringComparison.Ordinal) ? symbol[around[0].Length..^around[1].Length] : null;
    }

    private void AddTypes()
    {
        foreach (TypedefDeclaration typedef in Owned(_header.Typedefs.Values))
        {
            if (_manifest.Selects(_manifest.Types, typedef.Name))
            {
                _types.Map(typedef.Type is CFunction ? new CPointer(typedef.Type, false) : new CName(typedef.Name, false), typedef.Location);
            }
        }

        foreach ((string key, Declaration tag) in _header.Tags.Where(pair => Owns(pair.Value)))
        {
            bool isIncomplete = tag is RecordDeclaration { IsComplete: false };
            if (!isIncomplete && _manifest.Selects(_manifest.Types, tag.Name))
            {
                _types.Map(new CName(key, false), tag.Location);
            }
        }
    }

    // A misspelt name in the manifest would otherwise leave something out silently.
    private void CheckNames()
    {
        IEnumerable<string> functions = _binding.Functions.SelectMany(f => (string[])[f.Field, f.Symbol]);
        IEnumerable<string> constants = _binding.Constants.Select(c => c.Declaration.Name)
            .Concat(_binding.Enums.SelectMany(e => e.Members).Select(m => m.Declaration.Name));
        Check("functions", _manifest.Functions, functions);
        Check("optional", _manifest.Optional, functions);
        Check("suppressGCTransition", _manifest.SuppressGCTransition, functions);
        Check("types", _manifest.Types, _binding.TypeNames.Keys.Concat(_header.Typedefs.Keys));
        Check("constants", _manifest.Constants, constants);
        Check("opaque", _manifest.Opaque, _binding.Opaques.Select(o => o.Name));
        Check("omittedFields", _manifest.OmittedFields, _binding.OmittedFields);
        Check("enums", [.. _manifest.Enums.Select(e => e.Type)], _binding.Enums.Select(e => e.Name));
    }

    private void Check(string list, IReadOnlyList<string> patterns, IEnumerable<string> bound)
    {
        var names = bound.ToHashSet();
        string? unknown = patterns.FirstOrDefault(pattern => !pattern.EndsWith('*') && !names.Contains(pattern));
        if (unknown is not null)
        {
            throw new GenerationException($"{_manifest.Header}: nothing bound is called '{unknown}'; correct \"{list}\" in the manifest {_manifest.Name}");
        }
    }
}
