namespace AiOs.Tensors;

/// <summary>
/// Objects of one thread that wait to be used again. What is beyond the capacity is left to the garbage collector, so
/// that a thread that only disposes what others make does not pile objects up.
/// </summary>
internal static class Pool<T>
    where T : class, new()
{
    private const int Capacity = 16384;

    [ThreadStatic]
    private static T?[]? t_items;

    [ThreadStatic]
    private static int t_count;

    public static T Rent()
    {
        if (t_count == 0)
        {
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
        T?[] items = t_items ??= new T?[64];
        if (t_count == items.Length)
        {
            if (t_count == Capacity)
            {
                return;
            }

            Array.Resize(ref items, t_count * 2);
            t_items = items;
        }

        items[t_count++] = item;
    }
}
