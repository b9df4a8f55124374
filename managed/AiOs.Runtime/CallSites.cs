using System.Diagnostics;
using System.Runtime.InteropServices;
using AiOs.Interop;

namespace AiOs.Runtime;

/// <summary>
/// Where launches are made: the first frame beyond the runtime and the tensors, which launch on behalf of somebody else.
/// </summary>
internal static class CallSites
{
    private static readonly string[] Plumbing = ["AiOs.Interop", "AiOs.Runtime", "AiOs.Tensors"];
    private static readonly Lock s_gate = new();

    /// <summary>The provider keeps pointers to the texts, so they stay; a program has few different ones.</summary>
    private static readonly Dictionary<string, nint> s_texts = [];

    /// <summary>Tells the provider where the calling thread is, which is about to enqueue work.</summary>
    public static void Note(DeviceDriver driver, aios_stream stream)
    {
        string site = Here();
        lock (s_gate)
        {
            if (!s_texts.TryGetValue(site, out nint text))
            {
                text = Marshal.StringToCoTaskMemUTF8(site);
                s_texts.Add(site, text);
            }

            driver.SetCallSite(stream, text);
        }
    }

    /// <summary>Where the calling thread is.</summary>
    public static string Here()
    {
        var stack = new StackTrace(fNeedFileInfo: true);
        string site = "unknown";
        for (int i = 0; i < stack.FrameCount; i++)
        {
            StackFrame frame = stack.GetFrame(i)!;
            if (DiagnosticMethodInfo.Create(frame) is not { } method)
            {
                continue;
            }

            string file = frame.GetFileName() is { } path ? $" ({Path.GetFileName(path)}:{frame.GetFileLineNumber()})" : "";
            site = $"{method.DeclaringTypeName}.{method.Name}{file}";
            if (!Plumbing.Contains(method.DeclaringAssemblyName.Split(',')[0]))
            {
                break;
            }
        }

        return site;
    }
}
