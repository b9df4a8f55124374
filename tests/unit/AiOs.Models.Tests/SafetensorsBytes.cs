using System.Buffers.Binary;
using System.Text;

namespace AiOs.Models.Tests;

/// <summary>Builds files of the format by hand, right or wrong, without the code under test.</summary>
internal static class SafetensorsBytes
{
    public const string ValidHeader =
        """{"__metadata__":{"made":"here"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b.c":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},"none":{"dtype":"I64","shape":[0,5],"data_offsets":[22,22]},"s":{"dtype":"F16","shape":[],"data_offsets":[22,24]}}""";

    public static byte[] Valid() => File(ValidHeader,
    [
        0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0x40, 0x40, 0, 0, 0x80, 0xbe, // f32: 1, -2, 3, -0.25
        0x80, 0x3f, 0x00, 0xc0, 0x40, 0x40, // bf16: 1, -2, 3
        0x00, 0x3e, // f16: 1.5
    ]);

    public static byte[] File(string header, byte[] data, long? claimedLength = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + data.Length];
        BinaryPrimitives.WriteInt64LittleEndian(file, claimedLength ?? json.Length);
        json.CopyTo(file, 8);
        data.CopyTo(file, 8 + json.Length);
        return file;
    }
}
