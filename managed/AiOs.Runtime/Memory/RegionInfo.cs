namespace AiOs.Runtime;

/// <summary>A region as reports and snapshots show it.</summary>
/// <param name="Index">Its number: the same as long as the block is in use.</param>
/// <param name="Address">Where it starts on the device.</param>
/// <param name="Size">Size in bytes.</param>
/// <param name="Requested">Bytes that were asked for; 0 unless it is in use.</param>
/// <param name="Stream">Number of the stream that allocated it last.</param>
/// <param name="State">Live, or why it is not in use.</param>
/// <param name="Shared">True when work of other streams that uses it was noted.</param>
/// <param name="Stack">Where it was allocated; null unless stacks are recorded.</param>
internal readonly record struct RegionInfo(
    int Index, nint Address, long Size, long Requested, int Stream, RegionState State, bool Shared = false, CallStack? Stack = null);
