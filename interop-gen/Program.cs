using AiOs.InteropGen;

// Usage: AiOs.InteropGen generate|check [ROOT]. The root is found by its solution file when it is not given.
if (args is not (["generate" or "check"] or ["generate" or "check", _]))
{
    Console.Error.WriteLine("usage: AiOs.InteropGen generate|check [ROOT]: write the bindings, or fail when they differ from the headers");
    return 2;
}

try
{
    string root = Path.GetFullPath(args.Length > 1 ? args[1] : FindRoot());
    return Workspace.Run(args[0] == "check", root, Path.Combine(root, "interop-gen", "manifests"), Console.Out);
}
catch (GenerationException e)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}

static string FindRoot()
{
    for (string? folder = Directory.GetCurrentDirectory(); folder is not null; folder = Path.GetDirectoryName(folder))
    {
        if (File.Exists(Path.Combine(folder, "AiOs.Native.sln")))
        {
            return folder;
        }
    }

    throw new GenerationException("the current directory is not inside the repository; change into it or name its root as the second argument");
}
