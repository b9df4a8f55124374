using System.Globalization;
using System.Text;

namespace AiOs.Runtime;

/// <summary>A block that nobody has freed.</summary>
/// <param name="Address">Where it starts on the device.</param>
/// <param name="Bytes">The size that was asked for.</param>
/// <param name="Stack">Where it was allocated; null unless <see cref="DeviceOptions.CaptureCallSites"/> is on.</param>
/// <param name="Finalized">True when its owner was collected without having been disposed.</param>
public readonly record struct LeakedBlock(nint Address, long Bytes, string? Stack, bool Finalized);

/// <summary>The blocks of a device that nobody has freed, and those that only the garbage collector found.</summary>
/// <param name="Blocks">The blocks, largest first.</param>
public sealed record LeakReport(IReadOnlyList<LeakedBlock> Blocks)
{
    /// <summary>Bytes of all blocks.</summary>
    public long TotalBytes => Blocks.Sum(block => block.Bytes);

    /// <summary>The report as text: one line per allocation site, or per size when stacks were not recorded.</summary>
    public override string ToString()
    {
        if (Blocks.Count == 0)
        {
            return "no leaked device memory";
        }

        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Blocks.Count} leaked blocks of device memory, {TotalBytes} bytes");
        if (Blocks.All(block => block.Stack is null))
        {
            text.Append(" (set AIOS_CALL_SITES=1 to see where they were allocated)");
        }

        foreach (var site in Blocks.GroupBy(block => (block.Stack, block.Stack is null ? block.Bytes : 0, block.Finalized)))
        {
            string how = site.Key.Finalized ? ", collected without Dispose" : "";
            text.AppendLine();
            text.Append(CultureInfo.InvariantCulture, $"  {site.Count()} x, {site.Sum(block => block.Bytes)} bytes{how}");
            if (site.Key.Stack is { } stack)
            {
                text.AppendLine();
                text.Append(stack);
            }
        }

        return text.ToString();
    }
}
