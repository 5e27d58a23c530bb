using System.Runtime.CompilerServices;
using OmniPg.Shared;

namespace OmniPg.Wal.ArchiveModule;

/// <summary>The one thread that the runtime starts in the server's process. The server's signal handlers belong on its own thread.</summary>
internal static class FinalizerThread
{
    private static volatile bool _isDeaf;

    /// <summary>Has the thread block the server's signals itself: nobody else can do it for it. When it could not be had to, the kernel still prefers the server's thread.</summary>
    public static void TakesNoSignal()
    {
        for (var attempt = 0; attempt < 3 && !_isDeaf; attempt++)
        {
            Drop();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    // A method of its own: no register of the caller holds the object any more.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Drop() => _ = new Dropped();

    private sealed class Dropped
    {
        ~Dropped() => _isDeaf = Posix.BlockServerSignals();
    }
}
