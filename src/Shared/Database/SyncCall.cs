namespace OmniPg.Shared;

/// <summary>Runs a method written once for both worlds: with <c>async: false</c> it uses synchronous I/O only and is complete on return.</summary>
internal static class SyncCall
{
    public static void Run(ValueTask call)
    {
        if (!call.IsCompleted)
            throw new InvalidOperationException("A synchronous call went asynchronous.");
        call.GetAwaiter().GetResult();
    }

    public static T Run<T>(ValueTask<T> call) =>
        call.IsCompleted ? call.GetAwaiter().GetResult() : throw new InvalidOperationException("A synchronous call went asynchronous.");

    /// <summary>Closes what such a method opened, in the world that it was called in.</summary>
    public static ValueTask CloseAsync<T>(bool async, T opened)
        where T : IAsyncDisposable, IDisposable
    {
        if (async)
            return opened.DisposeAsync();
        opened.Dispose();
        return ValueTask.CompletedTask;
    }
}
