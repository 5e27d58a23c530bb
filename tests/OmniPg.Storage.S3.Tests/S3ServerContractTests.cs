using OmniPg.Testing;

namespace OmniPg.Storage.S3.Tests;

/// <summary>The contract on a server from outside: <c>OMNIPG_TEST_S3</c> names endpoint and bucket, such as <c>http://127.0.0.1:9000/bucket</c>; credentials by the AWS variables.</summary>
public sealed class S3ServerContractTests : ObjectStoreContract
{
    protected override IObjectStore CreateEmptyStore()
    {
        var named = Environment.GetEnvironmentVariable("OMNIPG_TEST_S3");
        Assert.SkipWhen(string.IsNullOrEmpty(named), "OMNIPG_TEST_S3 names no endpoint and bucket");
        var address = new Uri(named!);
        return new S3ObjectStore(new S3ObjectStoreOptions
        {
            Endpoint = new Uri(address.GetLeftPart(UriPartial.Authority)),
            Bucket = address.AbsolutePath.Trim('/'),
            Prefix = "contract-" + Guid.NewGuid().ToString("N"),
        });
    }
}
