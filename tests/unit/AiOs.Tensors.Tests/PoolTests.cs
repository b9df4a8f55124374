namespace AiOs.Tensors.Tests;

public sealed class PoolTests
{
    [Fact]
    public void A_thread_gets_all_its_own_objects_back() => OnAThreadOfItsOwn(() =>
    {
        const int Count = 1000;
        HashSet<Item> items = [.. Rent(Count)];
        Assert.Equal(Count, items.Count);
        Return(items);
        Assert.Subset(items, new HashSet<Item>(Rent(Count)));
    });

    [Fact]
    public void A_thread_that_only_returns_keeps_few() => OnAThreadOfItsOwn(() =>
    {
        HashSet<Item> items = [.. Enumerable.Range(0, 1000).Select(_ => new Item())];
        Return(items);
        Assert.InRange(Rent(1000).Count(items.Contains), 1, 64);
    });

    private static List<Item> Rent(int count) => [.. Enumerable.Range(0, count).Select(_ => Pool<Item>.Rent())];

    private static void Return(IEnumerable<Item> items)
    {
        foreach (Item item in items)
        {
            Pool<Item>.Return(item);
        }
    }

    private static void OnAThreadOfItsOwn(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(action));
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }

    private sealed class Item;
}
