using AiOs.InteropGen.Clang;
using AiOs.InteropGen.Emit;
using AiOs.InteropGen.Model;

namespace AiOs.InteropGen;

/// <summary>What was generated.</summary>
/// <param name="Files">Contents by path relative to the root.</param>
/// <param name="Skipped">Manifests whose toolkit is not on this machine; their files stay as they are.</param>
public sealed record Generation(SortedDictionary<string, string> Files, IReadOnlyList<Manifest> Skipped);

/// <summary>Generates all files of a folder of manifests.</summary>
public static class Generator
{
    /// <summary>Generates, without writing anything.</summary>
    /// <param name="root">Directory that the manifests' paths start from.</param>
    /// <param name="manifests">Folder of the manifests, with those of libraries in <c>providers</c>.</param>
    /// <param name="toolkits">Where the headers of others are; the user's cache when null.</param>
    /// <exception cref="GenerationException">clang is missing, or something cannot be bound.</exception>
    public static Generation Generate(string root, string manifests, Toolkits? toolkits = null)
    {
        ClangCompiler compiler = ClangCompiler.Require(root);
        toolkits ??= Toolkits.OfUser();
        Manifest[] all = [.. Directory.GetFiles(manifests, "*.json").Order(StringComparer.Ordinal).Select(Manifest.Load)];
        var loaded = all.Select(toolkits.Locate).OfType<Manifest>().ToDictionary(m => m.Name);
        Manifest[] skipped = [.. all.Where(m => !loaded.ContainsKey(m.Name))];
        var bindings = new Dictionary<string, Binding>();
        foreach (string name in loaded.Keys.Order(StringComparer.Ordinal))
        {
            Bind(name);
        }

        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (Binding binding in bindings.Values)
        {
            EmitBinding(binding, [.. binding.Manifest.Uses.Select(Bind)], files);
        }

        foreach (IGrouping<string, Binding> folder in bindings.Values.GroupBy(b => b.Manifest.Output))
        {
            files[$"{folder.Key}/Assembly.g.cs"] = TypeEmitter.EmitAssembly();
            foreach (IGrouping<string, Binding> ns in folder.GroupBy(b => b.Manifest.Namespace))
            {
                string suffix = all.Where(m => m.Output == folder.Key).All(m => m.Namespace == ns.Key) ? "" : $".{ns.Key}";
                Add(files, $"{folder.Key}/FixedArrays{suffix}.g.cs", TypeEmitter.EmitFixedArrays(ns.Key, ns.SelectMany(b => b.ArrayLengths).Distinct().Order()));
            }
        }

        string providers = Path.Combine(manifests, "providers");
        foreach (string path in Directory.Exists(providers) ? Directory.GetFiles(providers, "*.json").Order(StringComparer.Ordinal) : Enumerable.Empty<string>())
        {
            EmitProvider(ProviderManifest.Load(path), root, bindings, files);
        }

        return new Generation(files, skipped);

        Binding Bind(string name)
        {
            if (!bindings.TryGetValue(name, out Binding? binding))
            {
                if (!loaded.TryGetValue(name, out Manifest? manifest))
                {
                    throw new GenerationException($"{manifests}: there is no manifest {name}.json, which another one uses");
                }

                binding = BindingBuilder.Build(compiler, manifest, [.. manifest.Uses.Select(Bind)]);
                bindings.Add(name, binding);
            }

            return binding;
        }
    }

    private static void EmitBinding(Binding binding, IReadOnlyList<Binding> used, SortedDictionary<string, string> files)
    {
        Manifest manifest = binding.Manifest;
        string prefix = $"{manifest.Output}/{manifest.Name}";
        files[$"{manifest.LayoutOutput}/{manifest.Name}.Layout.g.cs"] = LayoutEmitter.EmitCSharp(binding);
        Add(files, $"{prefix}.Table.g.cs", binding.Functions.Count == 0 ? null : TableEmitter.Emit(binding));
        Add(files, $"{prefix}.Accesses.g.cs", manifest.AccessStream.Length == 0 ? null : AccessEmitter.Emit(binding, new AccessBuilder(binding, used).Build()));
        Add(files, $"{prefix}.Structs.g.cs", TypeEmitter.EmitStructs(binding));
        Add(files, $"{prefix}.Enums.g.cs", TypeEmitter.EmitEnums(binding));
        Add(files, $"{prefix}.Constants.g.cs", TypeEmitter.EmitConstants(binding));
        if (manifest.NativeHeader.Length > 0)
        {
            files[manifest.NativeHeader] = new NativeHeaderEmitter(binding, used).Emit();
            files[$"{Path.GetDirectoryName(manifest.NativeHeader)}/.clang-format"] = ProviderEmitter.FormatOptions;
        }
    }

    private static void EmitProvider(
        ProviderManifest provider, string root, Dictionary<string, Binding> bindings, SortedDictionary<string, string> files)
    {
        Binding[] headers = [.. provider.Headers.Select(name => bindings.TryGetValue(name, out Binding? binding)
            ? binding : throw new GenerationException($"a provider names the manifest {name}, which does not exist"))];
        var emitter = new ProviderEmitter(provider, headers);
        string hash = emitter.Hash(root);
        foreach (ProviderLibrary library in provider.Libraries)
        {
            files[library.ExportMap] = emitter.ExportMap(library);
        }

        files[$"{provider.NativeOutput}/.clang-format"] = ProviderEmitter.FormatOptions;
        files[$"{provider.NativeOutput}/functions.g.h"] = emitter.Lists();
        files[$"{provider.NativeOutput}/header_hash.g.h"] = ProviderEmitter.HashHeader(hash);
        files[$"{provider.NativeOutput}/layout_check.g.c"] = LayoutEmitter.EmitC(headers);
        files[$"{provider.Output}/{provider.Class}.g.cs"] = emitter.HashClass(hash);
    }

    private static void Add(SortedDictionary<string, string> files, string path, string? content)
    {
        if (content is not null)
        {
            files[path] = content;
        }
    }
}
