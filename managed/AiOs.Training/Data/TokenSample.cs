using System.Runtime.InteropServices;
using System.Security.Cryptography;
using AiOs.Training.Checkpoints;

namespace AiOs.Training.Data;

/// <summary>Recognizes data without reading all of them.</summary>
internal static class TokenSample
{
    private const int Pieces = 64;
    private const int PieceTokens = 1024;

    /// <summary>The length of a source and a hash of pieces spread over it; a source of up to 64 K tokens is hashed whole.</summary>
    public static DataIdentity Identify(ITokenSource source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new int[PieceTokens];
        long pieces = Math.Min(Pieces, (source.Length + PieceTokens - 1) / PieceTokens);
        for (long i = 0; i < pieces; i++)
        {
            long start = pieces < Pieces ? i * PieceTokens : i * (source.Length - PieceTokens) / (Pieces - 1);
            Span<int> part = piece.AsSpan(0, (int)Math.Min(PieceTokens, source.Length - start));
            source.Read(start, part);
            hash.AppendData(MemoryMarshal.AsBytes(part));
        }

        return new DataIdentity(source.Length, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
