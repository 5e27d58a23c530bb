namespace OmniPg.Wal.Tests.Storage;

public sealed class MemoryWalStoreTests : WalStoreContract
{
    protected override IWalStore CreateEmptyStore() => new MemoryWalStore("test");
}
