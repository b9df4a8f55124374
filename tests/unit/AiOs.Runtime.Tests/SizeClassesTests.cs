namespace AiOs.Runtime.Tests;

public class SizeClassesTests
{
    [Theory]
    [InlineData(0, 512)]
    [InlineData(1, 512)]
    [InlineData(512, 512)]
    [InlineData(513, 1024)]
    [InlineData(16384, 16384)]
    [InlineData(33 << 10, 33 << 10)]
    [InlineData((64 << 10) + 1, 66 << 10)]
    public void Sizes_round_up_to_their_class(long bytes, long expected) => Assert.Equal(expected, SizeClasses.RoundUp(bytes));

    [Fact]
    public void Rounding_wastes_at_most_a_32nd_and_classes_grow_with_size()
    {
        int previous = 0;
        for (long bytes = 16384; bytes < 1L << 40; bytes += 1 + bytes / 100)
        {
            long size = SizeClasses.RoundUp(bytes);
            Assert.InRange(size, bytes, bytes + bytes / 32 + 512);
            int index = SizeClasses.IndexOf(size);
            Assert.InRange(index, previous, SizeClasses.Count - 1);
            Assert.Equal(size, SizeClasses.RoundUp(size));
            Assert.True(SizeClasses.IndexOf(size - 512) < index, "every size in a class is at least the class size");
            previous = index;
        }
    }
}
