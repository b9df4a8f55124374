using System.Runtime.InteropServices;
using AiOs.Runtime;
using AiOs.Tensors;
using Stream = AiOs.Runtime.Stream;

namespace AiOs.Models.Compression.Quantization;

/// <summary>
/// A matrix [outputs, inputs] of 4-bit weights in groups of inputs, on the host, in the layout of
/// <see cref="QuantizedFormat.Int4"/>: w = scale (code - zero point). The two functions read the packings in which GPTQ
/// (arXiv:2210.17323) and AWQ (arXiv:2306.00978) checkpoints are stored.
/// </summary>
public sealed class GroupedWeights
{
    private const int CodesPerWord = 8;

    // Code i of a word of AWQ belongs to this one of its eight outputs.
    private static readonly int[] s_awqOrder = [0, 2, 4, 6, 1, 3, 5, 7];

    private readonly byte[] _codes;
    private readonly Half[] _scales;
    private readonly byte[] _zeroPoints;
    private readonly int _rowBytes;

    private GroupedWeights(int outputs, int inputs, int group)
    {
        (Outputs, Inputs, Group) = (outputs, inputs, group);
        Groups = (inputs + group - 1) / group;
        _rowBytes = (inputs + 31) / 32 * 16;
        _codes = new byte[outputs * _rowBytes];
        _scales = new Half[outputs * Groups];
        _zeroPoints = new byte[outputs * Groups];
    }

    /// <summary>Rows of the matrix.</summary>
    public int Outputs { get; }

    /// <summary>Columns of the matrix.</summary>
    public int Inputs { get; }

    /// <summary>Inputs that share a scale and a zero point.</summary>
    public int Group { get; }

    /// <summary>Groups of a row, the last one perhaps shorter.</summary>
    public int Groups { get; }

    /// <summary>Codes, [outputs] rows of 16 bytes for each 32 inputs begun; see <c>AIOS_DTYPE_I4</c>.</summary>
    public ReadOnlySpan<byte> Codes => _codes;

    /// <summary>Scales, [outputs, groups].</summary>
    public ReadOnlySpan<Half> Scales => _scales;

    /// <summary>Zero points, [outputs, groups].</summary>
    public ReadOnlySpan<byte> ZeroPoints => _zeroPoints;

    /// <summary>Reads the packing of GPTQ.</summary>
    /// <param name="qweight">[inputs / 8, outputs]: bits 4 j of word (i, o) are the code of input 8 i + j and output o.</param>
    /// <param name="qzeros">[groups, outputs / 8]: bits 4 j of word (g, o) are the zero point of output 8 o + j, less 1.</param>
    /// <param name="scales">[groups, outputs]</param>
    /// <param name="outputs">Outputs, a multiple of 8.</param>
    /// <param name="inputs">Inputs, a multiple of 8.</param>
    /// <param name="group">Inputs that share a scale, a multiple of 32.</param>
    /// <returns>The weights in our order.</returns>
    /// <exception cref="ArgumentException">A span has another length than the shape asks for, or the shape is not possible.</exception>
    public static GroupedWeights FromGptq(
        ReadOnlySpan<int> qweight, ReadOnlySpan<int> qzeros, ReadOnlySpan<Half> scales, int outputs, int inputs, int group)
    {
        GroupedWeights result = Create(qweight, qzeros, scales, outputs, inputs, group);
        for (int i = 0; i < inputs; i++)
        {
            ReadOnlySpan<int> words = qweight.Slice(i / CodesPerWord * outputs, outputs);
            for (int o = 0; o < outputs; o++)
            {
                result.SetCode(o, i, Digit(words[o], i % CodesPerWord));
            }
        }

        for (int g = 0; g < result.Groups; g++)
        {
            for (int o = 0; o < outputs; o++)
            {
                int word = qzeros[(g * (outputs / CodesPerWord)) + (o / CodesPerWord)];
                result._zeroPoints[(o * result.Groups) + g] = (byte)(Digit(word, o % CodesPerWord) + 1);
            }
        }

        return result;
    }

    /// <summary>Reads the packing of AWQ.</summary>
    /// <param name="qweight">
    /// [inputs, outputs / 8]: bits 4 j of word (i, o) are the code of input i and output 8 o + (0, 2, 4, 6, 1, 3, 5, 7)[j].
    /// </param>
    /// <param name="qzeros">[groups, outputs / 8]: the zero points, in the same order.</param>
    /// <param name="scales">[groups, outputs]</param>
    /// <param name="outputs">Outputs, a multiple of 8.</param>
    /// <param name="inputs">Inputs, a multiple of 8.</param>
    /// <param name="group">Inputs that share a scale, a multiple of 32.</param>
    /// <returns>The weights in our order.</returns>
    /// <exception cref="ArgumentException">A span has another length than the shape asks for, or the shape is not possible.</exception>
    public static GroupedWeights FromAwq(
        ReadOnlySpan<int> qweight, ReadOnlySpan<int> qzeros, ReadOnlySpan<Half> scales, int outputs, int inputs, int group)
    {
        GroupedWeights result = Create(qweight, qzeros, scales, outputs, inputs, group);
        int words = outputs / CodesPerWord;
        for (int word = 0; word < words; word++)
        {
            for (int j = 0; j < CodesPerWord; j++)
            {
                int o = (word * CodesPerWord) + s_awqOrder[j];
                for (int i = 0; i < inputs; i++)
                {
                    result.SetCode(o, i, Digit(qweight[(i * words) + word], j));
                }

                for (int g = 0; g < result.Groups; g++)
                {
                    result._zeroPoints[(o * result.Groups) + g] = (byte)Digit(qzeros[(g * words) + word], j);
                }
            }
        }

        return result;
    }

    /// <summary>Copies the weights to a device.</summary>
    /// <param name="stream">The stream that copies; the call waits for it.</param>
    /// <returns>[outputs, inputs], which the caller disposes.</returns>
    /// <exception cref="DeviceOutOfMemoryException">The device has no memory left.</exception>
    public QuantizedTensor ToDevice(Stream stream) =>
        QuantizedTensor.From(stream, QuantizedFormat.Int4, Outputs, Inputs, _codes, MemoryMarshal.AsBytes(Scales), _zeroPoints, Group);

    private static GroupedWeights Create(
        ReadOnlySpan<int> qweight, ReadOnlySpan<int> qzeros, ReadOnlySpan<Half> scales, int outputs, int inputs, int group)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(outputs);
        ArgumentOutOfRangeException.ThrowIfNegative(inputs);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(group);
        if (outputs % CodesPerWord != 0 || inputs % CodesPerWord != 0 || group % 32 != 0)
        {
            throw new ArgumentException($"[{outputs}, {inputs}] in groups of {group}: both extents must be multiples of 8 and the group one of 32");
        }

        var result = new GroupedWeights(outputs, inputs, group);
        Check("qweight", qweight.Length, (long)inputs * outputs / CodesPerWord);
        Check("qzeros", qzeros.Length, (long)result.Groups * outputs / CodesPerWord);
        Check("scales", scales.Length, (long)result.Groups * outputs);
        for (int g = 0; g < result.Groups; g++)
        {
            for (int o = 0; o < outputs; o++)
            {
                result._scales[(o * result.Groups) + g] = scales[(g * outputs) + o];
            }
        }

        return result;

        void Check(string name, int length, long expected)
        {
            if (length != expected)
            {
                throw new ArgumentException($"{name} has {length} elements; [{outputs}, {inputs}] in groups of {group} has {expected}");
            }
        }
    }

    private static int Digit(int word, int index) => word >> (4 * index) & 15;

    private void SetCode(int output, int input, int code) =>
        _codes[(output * _rowBytes) + (input / 32 * 16) + (input % 16)] |= (byte)(code << (input / 16 % 2 * 4));
}
