namespace AiOs.Tensors;

/// <summary>
/// Objects of one thread that wait to be used again. A thread keeps no more than it has made, so that one that only
/// disposes what others make does not pile objects up; the rest is left to the garbage collector.
/// </summary>
internal static class Pool<T>
    where T : class, new()
{
    private const int Smallest = 64;
    private const int Largest = 16384;

    [ThreadStatic]
    private static T?[]? t_items;

    [ThreadStatic]
    private static int t_count;

    [ThreadStatic]
    private static long t_made;

    public static T Rent()
    {
        if (t_count == 0)
        {
            t_made++;
            return new T();
        }

        // The place is emptied, so that an item which its user forgets can be collected.
        ref T? place = ref t_items![--t_count];
        T item = place!;
        place = null;
        return item;
    }

    public static void Return(T item)
    {
        T?[] items = t_items ??= new T?[Smallest];
        if (t_count == items.Length)
        {
            if (t_count >= Math.Min(t_made, Largest))
            {
                return;
            }

            Array.Resize(ref items, t_count * 2);
            t_items = items;
        }

        items[t_count++] = item;
    }
}
