using AiOs.InteropGen.Model;

namespace AiOs.InteropGen.Emit;

/// <summary>
/// Emits functions of the launchers' signatures that tell an observer what the launch accesses, then call the provider.
/// </summary>
public static class AccessEmitter
{
    /// <summary>The C# of the functions.</summary>
    /// <param name="binding">The header.</param>
    /// <param name="launchers">What its launchers access.</param>
    public static string Emit(Binding binding, IReadOnlyDictionary<BoundFunction, IReadOnlyList<Access>> launchers)
    {
        var writer = new CSharpWriter(
            Path.GetFileName(binding.Manifest.Header), ["System", "System.Runtime.CompilerServices", "System.Runtime.InteropServices"], binding.Manifest.Namespace);
        writer.Line();
        writer.Summary($"The launchers of an observed <see cref=\"{binding.Manifest.Table}\"/>.");
        writer.Open($"internal static unsafe class {binding.Manifest.Table}Accesses");
        bool isFirst = true;
        foreach ((BoundFunction function, IReadOnlyList<Access> accesses) in launchers)
        {
            if (!isFirst)
            {
                writer.Line();
            }

            isFirst = false;
            EmitLauncher(writer, function, accesses);
        }

        writer.Close();
        return writer.ToString();
    }

    private static void EmitLauncher(CSharpWriter writer, BoundFunction function, IReadOnlyList<Access> accesses)
    {
        string[] names = [.. function.Declaration.Parameters.Select(p => Identifiers.Escape(p.Name))];
        string parameters = string.Join(", ", function.Types.Zip(names, (type, name) => $"{type} {name}"));
        writer.Line("[UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]");
        writer.Open($"public static {function.Result} {function.Field}({parameters})");
        writer.Open($"if (AccessObserver.Of({names[0]}) is not {{ }} observer)");
        writer.Line($"return {function.Result}.InvalidArgument;");
        writer.Close();
        writer.Line();
        writer.Line($"AccessList accesses = AccessList.Begin(\"{function.Field}\");");
        foreach (Access access in accesses)
        {
            EmitAccess(writer, access, names[0]);
        }

        writer.Line($"return observer.Admit({names[0]}, accesses)");
        writer.Line($"    ? observer.Close(accesses, observer.Kernels.{function.Field}({string.Join(", ", names)}))");
        writer.Line($"    : {function.Result}.ExecutionFailed;");
        writer.Close();
    }

    private static void EmitAccess(CSharpWriter writer, Access access, string stream)
    {
        string[] conditions = [.. access.Requires.Select(pointer => $"{pointer} != null"), .. access.Condition is null ? Array.Empty<string>() : [access.Condition]];
        if (conditions.Length > 0)
        {
            writer.Open($"if ({string.Join(" && ", conditions)})");
        }

        string start = $"accesses.{access.Verb}(\"{access.Name}\", {access.Pointer}, {access.ElementSize}, ";
        writer.Line(access.Rank is null
            ? $"{start}[{string.Join(", ", access.Dimensions.Select(Dimension))}]);"
            : $"{start}{access.Rank}, {access.Dimensions[0].Extent}, {access.Dimensions[0].Stride});");
        if (access.Rows.Count > 0)
        {
            string count = access.Dimensions[0].Extent;
            writer.Open($"for (long i = 0, end = observer.ReadableRows({stream}, {access.Pointer}, {count}, {access.ElementSize}); i < end; i++)");
            writer.Line($"{access.RowType}* row = {access.Pointer} + i;");
            foreach (Access row in access.Rows)
            {
                EmitAccess(writer, row, stream);
            }

            writer.Close();
        }

        if (conditions.Length > 0)
        {
            writer.Close();
        }
    }

    private static string Dimension(AccessDimension dimension) =>
        dimension.Stride is null ? $"new({dimension.Extent})" : $"new({dimension.Extent}, {dimension.Stride})";
}
