using AiOs.InteropGen;

// The root is found by its solution file, and the manifests below it, when they are not given.
if (args is not ["generate" or "check", ..] || args.Length > 3)
{
    Console.Error.WriteLine("usage: AiOs.InteropGen generate|check [ROOT [MANIFESTS]]: write the bindings, or fail when they differ from the headers");
    return 2;
}

try
{
    string root = Path.GetFullPath(args.Length > 1 ? args[1] : FindRoot());
    string manifests = args.Length > 2 ? Path.GetFullPath(args[2]) : Path.Combine(root, "interop-gen", "manifests");
    return Workspace.Run(args[0] == "check", root, manifests, Console.Out);
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
