# The tags of exceptions that clang's code refers to and the C library of zig does
# not define: of C++'s `throw`, and of `longjmp`. Each carries an address.

	.globl	__cpp_exception
	.tagtype	__cpp_exception i32
__cpp_exception:

	.globl	__c_longjmp
	.tagtype	__c_longjmp i32
__c_longjmp:
