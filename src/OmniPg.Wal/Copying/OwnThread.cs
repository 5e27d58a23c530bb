namespace OmniPg.Wal;

/// <summary>Runs what blocks on a thread of its own, so that it neither waits for the pool nor holds one of the pool's few threads.</summary>
/// <remarks>The pool has as many threads as the machine has processors, and an encoder may keep one of them for the length of a segment.</remarks>
internal static class OwnThread
{
    public static Task<T> RunAsync<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);

    public static Task RunAsync(Action work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
