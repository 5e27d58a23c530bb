using System.Runtime.InteropServices;

namespace OmniPg;

/// <summary>Keeps a few native contexts for the next stream: making one costs more than resetting it.</summary>
internal sealed class ContextPool<T>(Func<T> create)
    where T : SafeHandle
{
    private readonly T?[] _kept = new T?[Math.Min(Environment.ProcessorCount, 4)];

    public T Rent()
    {
        for (var i = 0; i < _kept.Length; i++)
            if (Interlocked.Exchange(ref _kept[i], null) is { } context)
                return context;
        var made = create();
        return made.IsInvalid ? throw new InsufficientMemoryException("The codec's library could not allocate its state.") : made;
    }

    public void Return(T context)
    {
        for (var i = 0; i < _kept.Length; i++)
            if (Interlocked.CompareExchange(ref _kept[i], context, null) is null)
                return;
        context.Dispose();
    }
}
