using OmniPg.Testing;

namespace OmniPg.Storage.S3.Tests;

public sealed class S3ContractTests(S3Fixture fixture) : ObjectStoreContract, IClassFixture<S3Fixture>
{
    protected override IObjectStore CreateEmptyStore() => fixture.Store();
}
