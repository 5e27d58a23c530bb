namespace OmniPg.Jobmon;

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
}
