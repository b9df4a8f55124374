namespace AiOs.Runtime;

/// <summary>The source of a kernel does not compile.</summary>
public sealed class CudaCompilationException : AiOsException
{
    /// <summary>Makes the error.</summary>
    /// <param name="name">The kernel.</param>
    /// <param name="log">What the compiler said.</param>
    public CudaCompilationException(string name, string log)
        : base($"the kernel '{name}' does not compile: {log.Split('\n').FirstOrDefault(line => line.Contains("error", StringComparison.Ordinal)) ?? log}") => Log = log;

    /// <summary>What the compiler said, with all its lines.</summary>
    public string Log { get; }
}
