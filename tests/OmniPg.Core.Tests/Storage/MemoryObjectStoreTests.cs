using OmniPg.Testing;

namespace OmniPg.Core.Tests.Storage;

public sealed class MemoryObjectStoreTests : ObjectStoreContract
{
    protected override IObjectStore CreateEmptyStore() => new MemoryObjectStore("test");
}
